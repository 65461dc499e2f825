"""How much of each source: the mixing rules of T5, and the nested choice of rows.

Source: Raffel et al. 2020 (T5), section 3.5.2: examples-proportional mixing with a limit K, temperature scaling, equal mixing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from datagen.data.quotas import quotas
from datagen.kinds.mix import Mix


def shares(sizes: Mapping[str, int], options: Mix) -> dict[str, float]:
    """Return the share of each source in the mixture, summing to 1; a source without rows gets 0.

    With r = min(rows, cap): proportional r / sum r; temperature r ** (1 / T) renormalised; equal the same for all.
    """
    capped = {n: min(size, options.cap or size) for n, size in sizes.items()}
    if options.method == "weights":
        most = max(float(w) for w in options.weights.values())  # so that no sum overflows
        raw = {n: float(options.weights[n]) / most if r else 0.0 for n, r in capped.items()}
    elif options.method == "equal":
        raw = {n: float(r > 0) for n, r in capped.items()}
    else:
        power = 1 / options.temperature if options.method == "temperature" else 1.0
        raw = {n: r**power if r else 0.0 for n, r in capped.items()}
    total = sum(raw.values())
    return {n: w / total if total else 0.0 for n, w in raw.items()}


def counts(sizes: Mapping[str, int], options: Mix) -> dict[str, int]:
    """Return how many rows each source gives to the mixture, repeats counted."""
    wanted = shares(sizes, options)
    if not any(wanted.values()):
        return dict.fromkeys(sizes, 0)
    default = sum(min(n, options.cap or n) for n in sizes.values())
    total = default if options.rows is None else options.rows
    return dict(zip(sizes, quotas(list(wanted.values()), total), strict=True))


def order(size: int, source: str, seed: int) -> npt.NDArray[np.int64]:
    """Return the fixed order in which a source gives its rows: a permutation of int64[size] drawn from (seed, source).

    Rows are taken as a prefix of it, so that a larger mixture contains a smaller one.
    """
    words: Sequence[int] = [seed, *source.encode()]
    return np.random.default_rng(list(words)).permutation(size)


def repeats(size: int, count: int) -> npt.NDArray[np.int32]:
    """Return how often each of `size` rows, in their source's order, is taken for `count` rows: int32[size], even to one."""
    taken = np.full(size, count // size if size else 0, np.int32)
    taken[: count % size if size else 0] += 1
    return taken
