"""`minhash` on Alpaca with planted near copies: recall and precision, speed beside `rensa` (extra `bench`).

From equal tokens: datagen's exact join against rensa's and datasketch's signatures and LSH (128 permutations, threshold
0.7), in one run. Truth is all pairs, by a product of sparse matrices that shares no code with datagen.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from bars import Bars
from scipy.sparse import csr_matrix
from shared_data import ALPACA, needed

from datagen import filter as filter_rows
from datagen.data.rows import Row, new_row, table_of, view
from datagen.formats.read import read
from datagen.similarity import jaccard, minhash
from datagen.similarity.columns import token_lists
from datagen.similarity.token_lists import TokenLists, from_strings
from datagen.similarity.tokenised import tokenised
from datagen.text.tokens import tokens

THRESHOLD, NGRAM, COPIES, OTHERS, BLOCK = 0.7, 5, 5000, 200, 2000


def near_copy(text: str, draw: random.Random) -> str:
    """A text with one or two words changed."""
    words = text.split(" ")
    for _ in range(draw.randint(1, 2)):
        words[draw.randrange(len(words))] = "changed"
    return " ".join(words)


def all_pairs(shingles: list[set[str]]) -> npt.NDArray[np.int64]:
    """Every pair of rows with a Jaccard at or above the threshold, by sparse matrices: int64[n, 2], the later first."""
    numbers: dict[str, int] = {}
    offsets = np.cumsum([0, *map(len, shingles)])
    flat = np.fromiter((numbers.setdefault(g, len(numbers)) for row in shingles for g in row), np.int64, int(offsets[-1]))
    rows = csr_matrix((np.ones(len(flat), np.float32), flat, offsets), shape=(len(shingles), len(numbers)))
    sizes, other = np.diff(offsets), rows.T.tocsr()
    found = []
    for start in range(0, len(shingles), BLOCK):
        common = (rows[start : start + BLOCK] @ other).tocoo()
        i, j, both = common.row + start, common.col, common.data.astype(np.int64)
        alike = (i > j) & (both / (sizes[i] + sizes[j] - both) >= THRESHOLD)
        found.append(np.column_stack([i[alike], j[alike]]).astype(np.int64))
    return np.concatenate(found)


def greedy(pairs: npt.NDArray[np.int64]) -> set[int]:
    """The rows that go when the rows are read in order and a row stays unless it is alike to one that stayed."""
    gone: set[int] = set()
    for i, j in pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))].tolist():
        if j not in gone:
            gone.add(i)
    return gone


def other_answers(rows: list[Row], draw: random.Random) -> list[Row]:
    """Rows with the instruction of a row and the answer of another one, its words in reverse: nothing is the same."""
    some = draw.sample([r for r in rows if len(r["input"].split()) == 0], 2 * OTHERS)
    return [
        new_row(instruction=a["instruction"], output=" ".join(b["output"].split()[::-1]))
        for a, b in zip(some[::2], some[1::2], strict=True)
    ]


def main() -> None:
    """Print the table; exit 1 when a bar is missed."""
    needed(ALPACA)
    draw = random.Random(17)
    rows = [r for r in islice(read(str(ALPACA)), 60_000) if "reason" not in r]
    texts = view(table_of(rows), "conversation")
    texts += [near_copy(texts[draw.randrange(len(texts))], draw) for _ in range(COPIES)]
    started = time.monotonic()
    split = [tokens(t) for t in texts]
    tokenising = time.monotonic() - started
    shingles = [minhash.shingles(s, NGRAM) for s in split]
    started = time.monotonic()
    truth = greedy(all_pairs(shingles))
    print(
        f"{len(texts):,} rows, {COPIES:,} of them planted; {len(truth):,} go by all pairs ({time.monotonic() - started:.0f} s)"
    )
    jaccard.greedy(jaccard.shingles(from_strings(split[:100]), NGRAM), THRESHOLD)  # compiled before it is timed
    whole(texts[:100])
    sets = jaccard.shingles(from_strings(split), NGRAM)
    seconds, missed = {}, False
    runs = {
        "datagen, exact": exact, "rensa, signatures and LSH": rensa, "datasketch, signatures and LSH": datasketch_lsh,
        "datagen, candidates=lsh": banded,
    }  # fmt: skip
    for name, run in runs.items():
        try:
            seconds[name], flagged = run(split, shingles, sets)
        except ImportError:
            print(f"{name:<34}not installed: pip install 'datagen[bench]'")
            continue
        both = len(truth & flagged)
        shown = f"recall {both / len(truth):.4f}, precision {both / max(1, len(flagged)):.4f}"
        print(f"{name:<34}{seconds[name]:>8.2f} s   drops {len(flagged):,}: {shown}")
        missed |= name == "datagen, exact" and flagged != truth
    started = time.monotonic()
    jaccard.greedy(jaccard.shingles(whole(texts), NGRAM), THRESHOLD)
    end_to_end = time.monotonic() - started
    print(f"{'datagen, exact, from texts':<34}{end_to_end:>8.2f} s   its own tokens; the others' take {tokenising:.1f} s more")
    planted = other_answers(rows, draw)
    kept = filter_rows([*rows, *planted], ["minhash"]).kept.column("id").to_pylist()
    stay = len({r["id"] for r in planted} & set(kept))
    print(f"{stay} of {len(planted)} rows with the instruction of a row and another answer stay (the stage, its defaults)")
    bars = Bars()
    bars.holds("recall 1 and precision 1 against all pairs", not missed)
    if other := seconds.get("rensa, signatures and LSH"):
        bars.at_most("from equal tokens, times rensa", 1, seconds["datagen, exact"] / other)
        bars.at_most("end to end, times rensa", 2, end_to_end / (tokenising + other))
    bars.holds("the same instruction with another answer stays", stay == len(planted))
    bars.end()


def whole(texts: list[str]) -> TokenLists:
    """Tokens of texts as the stage makes them."""
    return token_lists(pa.chunked_array([tokenised(texts).column()]))


def exact(split: list[list[str]], shingles: list[set[str]], sets: TokenLists) -> tuple[float, set[int]]:
    """The exact join, from tokens."""
    started = time.monotonic()
    found = jaccard.greedy(jaccard.shingles(from_strings(split), NGRAM), THRESHOLD)
    return time.monotonic() - started, set(np.flatnonzero(found.witness >= 0).tolist())


def rensa(split: list[list[str]], shingles: list[set[str]], sets: object) -> tuple[float, set[int]]:
    """rensa as its README uses it: a row goes when a kept one is a candidate."""
    from rensa import RMinHash, RMinHashLSH

    started = time.monotonic()

    def signature(tokens_of: list[str]) -> RMinHash:
        made = RMinHash(num_perm=128, seed=42)
        made.update([" ".join(tokens_of[i : i + NGRAM]) for i in range(max(1, len(tokens_of) - NGRAM + 1))])
        return made

    flagged = first_kept(RMinHashLSH(threshold=THRESHOLD, num_perm=128, num_bands=16), map(signature, split))
    return time.monotonic() - started, flagged


def first_kept(index: Any, signatures: Iterable[Any]) -> set[int]:
    """The rows that go when a row goes for which the index of those that stayed has a candidate."""
    flagged: set[int] = set()
    for at, signature in enumerate(signatures):
        if index.query(signature):
            flagged.add(at)
        else:
            index.insert(at, signature)
    return flagged


def datasketch_lsh(split: list[list[str]], shingles: list[set[str]], sets: object) -> tuple[float, set[int]]:
    """datasketch as its documentation uses it."""
    from datasketch import MinHash, MinHashLSH

    started = time.monotonic()

    def signature(grams: set[str]) -> MinHash:
        made = MinHash(num_perm=128)
        made.update_batch([g.encode() for g in grams])
        return made

    flagged = first_kept(MinHashLSH(threshold=THRESHOLD, num_perm=128), map(signature, shingles))
    return time.monotonic() - started, flagged


def banded(split: list[list[str]], shingles: list[set[str]], sets: TokenLists) -> tuple[float, set[int]]:
    """`candidates=lsh`: datasketch's signatures, our buckets, verified."""
    started = time.monotonic()
    signed = minhash.signatures(shingles)
    count, rows, _ = minhash.bands(THRESHOLD)
    found = jaccard.greedy(sets, THRESHOLD, buckets=minhash.buckets(signed, count, rows))
    return time.monotonic() - started, set(np.flatnonzero(found.witness >= 0).tolist())


if __name__ == "__main__":
    main()
