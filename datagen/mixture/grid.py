"""The mixture by trial: a small proxy is trained on each combination of levels, and the held-out loss ranks them.

Source: the approximate grid of Yi (2024): every source at one of a few shares of its own rows. Combinations equal after
scaling are one mixture and run once. Natural and uniform mixtures are always among them. The best one is trained again with a
second seed, so that the noise stands beside the differences.

Not covered: a law fitted to the runs, an interval on the weights.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.data.quotas import quotas
from datagen.data.rows import Row
from datagen.data.shards import fingerprint, read_json, write_json
from datagen.errors import DataError, ModelError, UsageError
from datagen.kinds.mix import Mix
from datagen.mixture.weights import order, repeats

BATCH_ROWS = 8
MOST_COMBINATIONS = 20_000  # before equal ones are taken together
HELD_OUT_ROWS = 32  # of each source at most; a tenth of a small one
Trainer = Callable[[list[Row], list[Row], int, int], dict[str, float]]  # rows, held-out, steps, seed -> loss by source


@dataclass(frozen=True)
class Found:
    """The ranked mixtures, the weights of the best, and each source's held-out rows (positions within the source)."""

    weights: Mapping[str, float]
    ranked: Sequence[dict[str, Any]]
    second_seed: dict[str, Any]
    held_out: Mapping[str, npt.NDArray[np.int64]]

    def written(self) -> dict[str, Any]:
        """What mix.json says of the grid."""
        noise = abs(self.second_seed["loss"] - self.ranked[0]["loss"])
        return {"ranked": list(self.ranked), "best_second_seed": self.second_seed, "noise": round(noise, 5)}


def mixtures(sizes: Mapping[str, int], levels: Sequence[float]) -> list[dict[str, Any]]:
    """Return the distinct mixtures of a grid: a name (`natural`, `uniform` or the levels) and weights that sum to 1.

    The natural mixture is every source whole; the uniform one takes as much of each. They come first.
    """
    names = list(sizes)
    found = {_key(sizes.values()): _mixture("natural", sizes, [1.0] * len(names))}
    found.setdefault(
        _key([1.0] * len(names)), {"name": "uniform", "levels": None, "weights": {n: 1 / len(names) for n in names}}
    )
    for combination in itertools.product(sorted(set(levels), reverse=True), repeat=len(names)):
        key = _key([size * level for size, level in zip(sizes.values(), combination, strict=True)])
        label = " : ".join(f"{level:g}" for level in combination)
        found.setdefault(key, _mixture(label, sizes, combination))
    return list(found.values())


def _key(weights: Any) -> tuple[float, ...]:
    """Weights scaled to sum 1 and rounded: equal for combinations that are one mixture."""
    values = np.array(list(weights), float)
    return tuple(np.round(values / values.sum(), 9).tolist())


def _mixture(name: str, sizes: Mapping[str, int], levels: Sequence[float]) -> dict[str, Any]:
    raw = {n: size * level for (n, size), level in zip(sizes.items(), levels, strict=True)}
    total = sum(raw.values())
    return {"name": name, "levels": dict(zip(sizes, levels, strict=True)), "weights": {n: w / total for n, w in raw.items()}}


def search(
    table: pa.Table, sizes: Mapping[str, int], options: Mix, trainer: Callable[[], Trainer],
    eval_rows: list[Row] | None, on_run: Callable[[int, int], None], folder: Path,
) -> Found:  # fmt: skip
    """Train a proxy on every mixture of the grid and rank them by held-out loss.

    Every proxy has the same base, seeds, number of steps and order within each source, so that only the mixture differs. A
    finished proxy is kept in `folder` and not trained again after a kill.

    Args:
        table: the rows of all sources, one source after the other.
        sizes: rows of each source, in that order.
        options: levels, steps, seed, and the most proxies that may run.
        trainer: loads the base model, once, and returns the function that trains on it.
        eval_rows: rows to measure on; None holds some out of each source.
        on_run: told the number of finished proxies, and of all.
        folder: where finished proxies are kept.

    Raises:
        DataError: a source is empty, or too small to hold rows out of.
        ModelError: a proxy whose held-out loss is not a number.
        UsageError: more mixtures than `max_proxies`; says how many and how long they would take.
    """
    combinations = len(set(options.level_values())) ** len(sizes)
    if combinations > MOST_COMBINATIONS:
        raise UsageError(
            f"{len(sizes)} sources at {len(options.levels)} levels are {combinations:,} combinations; give fewer --levels"
        )
    held = _held_out(table, sizes, options, eval_rows)
    usable = {n: size - len(held[n]) for n, size in sizes.items()}
    plans = mixtures(usable, options.level_values())
    ordered = _ordered(table, sizes, held, options)
    if eval_rows is None:
        starts = dict(zip(sizes, np.cumsum([0, *sizes.values()])[:-1], strict=True))
        positions = np.concatenate([starts[n] + held[n] for n in sizes])
        eval_rows = table.take(pa.array(positions)).to_pylist()
    fit = trainer()
    if len(plans) > options.max_proxies:
        raise UsageError(_too_many(plans, usable, ordered, eval_rows, fit, options))
    measured = fingerprint([r["id"] for r in eval_rows])

    def proxy(plan: dict[str, Any], seed: int) -> dict[str, Any]:
        rows = _rows(plan["weights"], usable, ordered, options.steps * BATCH_ROWS)
        key = fingerprint(options.model, options.steps, seed, measured, [(r["id"], r["repeat"]) for r in rows])
        path = folder / "proxies" / f"{key}.json"
        by_source = read_json(path)
        if by_source is None:
            by_source = _finite(fit(rows, eval_rows, options.steps, seed), plan["name"])
            path.parent.mkdir(exist_ok=True)
            write_json(path, by_source)
        loss = sum(by_source.values()) / len(by_source)
        return {**plan, "seed": seed, "loss": round(loss, 6), "by_source": {n: round(v, 6) for n, v in by_source.items()}}

    on_run(0, len(plans) + 1)  # the best is trained once more, from another seed
    runs = []
    for n, plan in enumerate(plans, start=1):
        runs.append(proxy(plan, options.seed))
        on_run(n, len(plans) + 1)
    ranked = sorted(runs, key=lambda r: r["loss"])  # stable: ties stay in the order of the grid
    return Found(ranked[0]["weights"], ranked, proxy(ranked[0], options.seed + 1), held)


def _finite(by_source: dict[str, float], name: str) -> dict[str, float]:
    """The losses of a proxy, once each is a number: nothing could be ranked by another."""
    if not all(map(math.isfinite, by_source.values())):
        said = f"the held-out loss of the mixture {name} is not a number"
        raise ModelError(f"mix --grid: {said}; look at the rows, or give another --model")
    return by_source


def _held_out(
    table: pa.Table, sizes: Mapping[str, int], options: Mix, eval_rows: list[Row] | None
) -> dict[str, npt.NDArray[np.int64]]:
    """Return the rows that each source keeps out of training: the last of its order, and whatever else is measured on."""
    empty = [n for n, size in sizes.items() if size < (10 if eval_rows is None else 1)]
    if empty:
        raise DataError(
            f"mix --grid: the source '{empty[0]}' has {sizes[empty[0]]} rows, too few to hold some out; give --eval ROWS"
            if sizes[empty[0]] else f"mix --grid: the source '{empty[0]}' has no rows"
        )  # fmt: skip
    ids = table.column("id").to_pylist()
    starts = dict(zip(sizes, np.cumsum([0, *sizes.values()])[:-1].tolist(), strict=True))
    if eval_rows is None:
        last = {n: order(size, n, options.seed)[size - min(HELD_OUT_ROWS, size // 10) :] for n, size in sizes.items()}
        measured = {ids[starts[n] + at] for n, places in last.items() for at in places}
    else:
        measured = {row["id"] for row in eval_rows}
    # One row may stand in two sources: none of them may train on it.
    held = {n: [at for at in range(size) if ids[starts[n] + at] in measured] for n, size in sizes.items()}
    gone = [n for n, size in sizes.items() if len(held[n]) == size]
    if gone:
        raise DataError(f"mix --grid: every row of the source '{gone[0]}' is also measured on; give other --eval ROWS")
    return {n: np.array(places, np.int64) for n, places in held.items()}


def _ordered(
    table: pa.Table, sizes: Mapping[str, int], held: Mapping[str, npt.NDArray[np.int64]], options: Mix
) -> dict[str, list[Row]]:
    """Return the rows of each source in its order, held-out ones left out, as many as any proxy may need."""
    found, start = {}, 0
    for name, size in sizes.items():
        places = order(size, name, options.seed)
        first = places[~np.isin(places, held[name])][: options.steps * BATCH_ROWS]
        found[name] = table.take(pa.array(start + first)).to_pylist()
        start += size
    return found


def _rows(weights: Mapping[str, float], usable: Mapping[str, int], ordered: Mapping[str, list[Row]], total: int) -> list[Row]:
    """Return the training rows of one proxy: a prefix of each source's order, repeated evenly where it is too short."""
    rows: list[Row] = []
    for name, count in zip(weights, quotas(list(weights.values()), total), strict=True):
        taken = repeats(usable[name], count)
        rows += [{**row, "repeat": int(n)} for row, n in zip(ordered[name], taken, strict=False) if n]
    return rows


def _too_many(
    plans: list[dict[str, Any]], usable: Mapping[str, int], ordered: Mapping[str, list[Row]], eval_rows: list[Row],
    fit: Trainer, options: Mix,
) -> str:  # fmt: skip
    """The message for a grid that is too large, its time estimated from one short run."""
    steps = min(2, options.steps)
    started = time.monotonic()
    fit(_rows(plans[0]["weights"], usable, ordered, steps * BATCH_ROWS), eval_rows[:8], steps, options.seed)
    minutes = (time.monotonic() - started) / steps * options.steps * (len(plans) + 1) / 60
    return (
        f"{len(plans)} mixtures of {len(usable)} sources at {len(options.levels)} levels need {len(plans) + 1} proxies of"
        f" {options.steps} steps, about {max(1, round(minutes))} min here; give fewer --levels, or allow them with"
        f" --max-proxies {len(plans)}"
    )
