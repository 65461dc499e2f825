"""`semantic` and `ifd` on the small models: speed and equality beside the plain way, in one run.

Embeddings: plain `SentenceTransformer.encode` on the same rows. Difficulty: a loop of one row at a time in float32, which makes
the logits of every token. `--quick`: fewer rows.
"""

from __future__ import annotations

import sys
import time
from itertools import islice
from typing import Any

import numpy as np
from bars import Bars
from shared_data import ALPACA, needed

from datagen.data.rows import Row, table_of, view
from datagen.formats.read import read
from datagen.models import embed
from datagen.models.answer_loss import AnswerLoss
from datagen.models.causal_lm import computes_in_bfloat16
from datagen.similarity import cosine


def rows(count: int) -> list[Row]:
    """The first rows of Alpaca."""
    return [r for r in islice(read(str(ALPACA)), count) if "reason" not in r]


def embeddings(count: int, bars: Bars) -> None:
    """Print speed, cosine of the two, and whether top-K and the greedy search equal brute force."""
    texts = view(table_of(rows(count)), "conversation")
    embedder = embed.load()
    embedder.encode(texts[:64])
    started = time.monotonic()
    ours = embedder.encode(texts).vectors
    mine = time.monotonic() - started
    started = time.monotonic()
    plain = embedder.network.encode(texts, batch_size=32, show_progress_bar=False, normalize_embeddings=True)
    theirs = time.monotonic() - started
    near = cosine.cosine(ours, plain)
    score, found = cosine.highest(ours[1000:], ours[:1000])
    exact = ours[1000:].astype(np.float64) @ ours[:1000].astype(np.float64).T
    same = bool((exact.argmax(axis=1) == found).all()) and np.allclose(exact.max(axis=1), score, atol=1e-12)
    print(f"semantic, {len(texts):,} rows, {told(embedder.bfloat16)}: {mine:.1f} s; plain encode {theirs:.1f} s")
    bars.at_least("times plain encode", 2, theirs / mine)
    bars.at_least("least cosine of the two", 0.999, float(near.min()))
    bars.holds("top-K equal to brute force", same)


def told(bfloat16: bool) -> str:
    """What this machine computes in: the bars of speed suppose bfloat16."""
    return "bfloat16" if bfloat16 else "float32 (this processor has no bfloat16)"


def plain_losses(scorer: AnswerLoss, sequences: list[tuple[list[int], int, int]]) -> Any:
    """One row at a time, every logit."""
    import torch

    found = []
    with torch.inference_mode():
        for ids, start, end in sequences:
            x = torch.tensor([ids])
            logits = scorer.network(x).logits[0].float()
            found.append(float(torch.nn.functional.cross_entropy(logits[start - 1 : end - 1], x[0, start:end])))
    return np.array(found)


def difficulty(count: int, bars: Bars) -> None:
    """Print equality in float32, speed and ranks in bfloat16."""
    from scipy.stats import spearmanr

    full, low = AnswerLoss("smollm2", dtype="float32"), AnswerLoss("smollm2")
    answers = [a for a in (full.answer(r, 1024) for r in rows(count)) if a.reason is None]
    head = len(full.head)
    given = [(a.ids, a.start, a.end) for a in answers]
    alone = [([*full.head, *a.ids[a.start : a.end]], head, head + a.end - a.start) for a in answers]
    plain_losses(full, given[:3])
    low.given_and_alone(answers[:8])
    started = time.monotonic()
    plain = plain_losses(full, [*given, *alone])
    theirs = time.monotonic() - started
    started = time.monotonic()
    g, a = low.given_and_alone(answers)
    mine = time.monotonic() - started
    exact = np.concatenate(full.given_and_alone(answers))
    n = len(answers)
    rho = spearmanr(g / a, plain[:n] / plain[n:]).statistic
    print(f"\nifd, {n:,} rows, {told(computes_in_bfloat16('auto', 'cpu'))}: {mine:.1f} s; plain loop {theirs:.1f} s")
    bars.at_most("largest difference in float32", 1e-4, float(np.abs(exact - plain).max()))
    bars.at_least("times the plain loop", 3.5, theirs / mine)
    bars.at_least("rank correlation of the two", 0.998, float(rho))


if __name__ == "__main__":
    needed(ALPACA)
    quick = "--quick" in sys.argv
    bars = Bars()
    embeddings(2000 if quick else 10_000, bars)
    difficulty(60 if quick else 500, bars)
    bars.end()
