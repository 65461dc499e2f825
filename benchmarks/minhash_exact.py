"""`minhash` on Alpaca with planted near copies: recall and precision, speed beside `rensa` (extra `bench`).

From equal tokens: datagen's exact join against rensa's signatures and LSH (128 permutations, threshold 0.7), in one run. Truth
is the exact greedy filter, which the tests prove equal to comparing all pairs.
"""

from __future__ import annotations

import os
import random
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa

from datagen.formats.read import read
from datagen.rows import table_of, view
from datagen.similarity import jaccard, minhash
from datagen.similarity.columns import token_lists
from datagen.similarity.token_lists import TokenLists, from_strings
from datagen.similarity.tokenised import tokenised
from datagen.text import tokens

DATA = Path(os.environ.get("DATA", Path(__file__).parents[2] / "shared" / "data"))
ALPACA = DATA / "rows" / "alpaca_en_52k.jsonl.gz"
THRESHOLD, NGRAM, COPIES = 0.7, 5, 5000


def near_copy(text: str, draw: random.Random) -> str:
    """A text with one or two words changed."""
    words = text.split(" ")
    for _ in range(draw.randint(1, 2)):
        words[draw.randrange(len(words))] = "changed"
    return " ".join(words)


def main() -> None:
    """Print the table."""
    if not ALPACA.is_file():
        sys.exit(f"no shared data in {DATA}; set DATA")
    draw = random.Random(17)
    texts = view(table_of([r for r in islice(read(str(ALPACA)), 60_000) if "reason" not in r]), "conversation")
    texts += [near_copy(texts[draw.randrange(len(texts))], draw) for _ in range(COPIES)]
    started = time.monotonic()
    split = [tokens(t) for t in texts]
    tokenising = time.monotonic() - started
    jaccard.greedy(jaccard.shingles(from_strings(split[:100]), NGRAM), THRESHOLD)  # compiled before it is timed
    whole(texts[:100])
    started = time.monotonic()
    sets = jaccard.shingles(from_strings(split), NGRAM)
    exact = jaccard.greedy(sets, THRESHOLD)
    ours = time.monotonic() - started
    started = time.monotonic()
    jaccard.greedy(jaccard.shingles(whole(texts), NGRAM), THRESHOLD)
    end_to_end = time.monotonic() - started
    shingles = [minhash.shingles(s, NGRAM) for s in split]
    dropped = np.flatnonzero(exact.witness >= 0)
    worst = min(
        (
            len(shingles[i] & shingles[exact.witness[i]]) / len(shingles[i] | shingles[exact.witness[i]])
            for i in dropped.tolist()
        ),
        default=1.0,
    )
    print(f"{len(texts):,} rows, {len(dropped):,} dropped; tokenising {tokenising:.1f} s")
    print(f"{'datagen, exact, from texts':<34}{end_to_end:>8.2f} s   its own tokens; the others' come first")
    print(f"{'datagen, exact':<34}{ours:>8.2f} s   every dropped row has a kept one at {worst:.3f} or more")
    for name, run in (("rensa, signatures and LSH", rensa), ("datasketch buckets, verified", banded)):
        try:
            seconds, flagged = run(split, shingles, sets)
        except ImportError:
            print(f"{name:<34}not installed: pip install 'datagen[bench]'")
            continue
        true = set(dropped.tolist())
        both = len(true & flagged)
        recall, precision = both / len(true), both / max(1, len(flagged))
        print(f"{name:<34}{seconds:>8.2f} s   drops {len(flagged):,}: recall {recall:.4f}, precision {precision:.4f}")


def whole(texts: list[str]) -> TokenLists:
    """Tokens of texts as the stage makes them."""
    return token_lists(pa.chunked_array([tokenised(texts).column()]))


def rensa(split: list[list[str]], shingles: list[set[str]], sets: object) -> tuple[float, set[int]]:
    """rensa as its README uses it: a row goes when a kept one is a candidate."""
    from rensa import RMinHash, RMinHashLSH

    started = time.monotonic()
    index = RMinHashLSH(threshold=THRESHOLD, num_perm=128, num_bands=16)
    flagged: set[int] = set()
    for at, tokens_of in enumerate(split):
        grams = [" ".join(tokens_of[i : i + NGRAM]) for i in range(max(1, len(tokens_of) - NGRAM + 1))]
        signature = RMinHash(num_perm=128, seed=42)
        signature.update(grams)
        if index.query(signature):
            flagged.add(at)
        else:
            index.insert(at, signature)
    return time.monotonic() - started, flagged


def banded(split: list[list[str]], shingles: list[set[str]], sets: jaccard.TokenLists) -> tuple[float, set[int]]:
    """`candidates=lsh`: datasketch's signatures, our buckets, verified."""
    started = time.monotonic()
    signed = minhash.signatures(shingles)
    count, rows, _ = minhash.bands(THRESHOLD)
    found = jaccard.greedy(sets, THRESHOLD, buckets=minhash.buckets(signed, count, rows))
    return time.monotonic() - started, set(np.flatnonzero(found.witness >= 0).tolist())


if __name__ == "__main__":
    main()
