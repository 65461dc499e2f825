"""MinHash signatures as `datasketch` makes them, and the buckets of locality-sensitive hashing over them.

Source: Broder 1997; the hash of a shingle and the permutations are those of `datasketch` (sha1, scheme affine32), so that a
signature made here can be put into any of its indexes and compared with its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from datagen.kernels import kernel

SEED = 1  # datasketch's default
PERMUTATIONS = 128
Signatures = npt.NDArray[np.uint32]


def shingles(tokens: Sequence[str], n: int) -> set[str]:
    """Return a text's token n-grams, joined by spaces; a shorter one is one shingle, all of it, and an empty one has none."""
    if len(tokens) <= n:
        return {" ".join(tokens)} if tokens else set()
    return {" ".join(tokens[i : i + n]) for i in range(len(tokens) - n + 1)}


@kernel(work=lambda hashes, ends, a, b: 0.5 * len(hashes) * len(a))
def least(
    hashes: npt.NDArray[np.uint32], ends: npt.NDArray[np.int64], a: npt.NDArray[np.uint32], b: npt.NDArray[np.uint32]
) -> Signatures:  # fmt: skip
    """The least value of each permutation a * h + b (mod 2^32) over each row's hashes, mixed by MurmurHash3's finaliser."""
    out = np.full((len(ends), len(a)), np.uint32(0xFFFFFFFF), np.uint32)
    start = 0
    for row in range(len(ends)):
        for k in range(start, ends[row]):
            h = hashes[k]
            h = np.uint32(h ^ (h >> np.uint32(16)))
            h = np.uint32(h * np.uint32(0x85EBCA6B))
            h = np.uint32(h ^ (h >> np.uint32(13)))
            h = np.uint32(h * np.uint32(0xC2B2AE35))
            h = np.uint32(h ^ (h >> np.uint32(16)))
            for p in range(len(a)):
                value = np.uint32(np.uint32(a[p] * h) + b[p])
                out[row, p] = min(out[row, p], value)
        start = ends[row]
    return out


def signatures(sets: Iterable[set[str]], permutations: int = PERMUTATIONS) -> Signatures:
    """Return the MinHash signature of each set of shingles: uint32[n, permutations], all ones for an empty set."""
    from datasketch import MinHash
    from datasketch.hashfunc import sha1_hash32

    a, b = MinHash(num_perm=permutations, seed=SEED).permutations
    hashes: list[int] = []
    ends: list[int] = []
    for shingles_of_row in sets:
        hashes += [sha1_hash32(s.encode()) for s in shingles_of_row]
        ends.append(len(hashes))
    whole = np.array(hashes, np.uint32), np.array(ends, np.int64)
    signed: Signatures = least(*whole, np.asarray(a, np.uint32), np.asarray(b, np.uint32))
    return signed


def bands(threshold: float, permutations: int = PERMUTATIONS, recall: float = 0.999) -> tuple[int, int, float]:
    """Return bands, rows per band and the share of pairs at the threshold that they find: 1 - (1 - t^r)^b, at least `recall`.

    The most rows that reach it, for the fewest candidates; one row per band where none does.
    """
    for rows in range(permutations, 0, -1):
        found: float = 1 - (1 - threshold**rows) ** (permutations // rows)
        if found >= recall or rows == 1:
            break
    return permutations // rows, rows, found


def buckets(signed: Signatures, n_bands: int, rows: int) -> npt.NDArray[np.int32]:
    """Return which bucket of each band a row falls in: int32[n, bands], numbered per band; equal parts, equal bucket."""
    out = np.empty((len(signed), n_bands), np.int32)
    for band in range(n_bands):
        part = np.ascontiguousarray(signed[:, band * rows : (band + 1) * rows])
        whole = part.view(np.dtype((np.void, part.dtype.itemsize * rows))).ravel()
        out[:, band] = np.unique(whole, return_inverse=True)[1]
    return out
