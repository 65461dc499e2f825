"""Which of two models answers better, as a judge says it who sees their answers in both orders.

Sources: Zheng et al. 2023 (LLM as a judge: both orders, a tie where they contradict each other); Dubois et al. 2024
(length-controlled AlpacaEval: what would be preferred if both answers were of one length).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from datagen.curate.judge import Judge
from datagen.data.rows import table_of
from datagen.evaluation import intervals
from datagen.evaluation.intervals import Estimate
from datagen.evaluation.items import Item
from datagen.evaluation.measured import Measured
from datagen.verdict import Context

PREFERRED, CONTRADICTED = "preferred", "contradicted"
SHOWN = 600  # characters of the judge's reasons in items.parquet
STEPS, RIDGE = 25, 0.1  # Newton's steps; what keeps a judge who always prefers one side from an infinite weight
Floats = npt.NDArray[np.float64]


class Pair(NamedTuple):
    """The answers of a model and of the first one to an item."""

    item: Item
    answer: str
    first: str


def judge_pairs(judge: Judge, pairs: Sequence[Pair], ctx: Context) -> tuple[list[Measured], list[str]]:
    """Return how a judge finds the answers of a model beside those of the first, and why it found nothing of some pairs.

    `preferred` is 1 where the model's answer is better in both orders, 0 where the first model's is, 0.5 for a tie.
    """
    rows = [
        {**p.item.row, "candidates": [{"text": text, "score": None, "source": None} for text in (p.answer, p.first)]}
        for p in pairs
    ]
    found = judge.score(table_of(rows), ctx)
    columns = (found[name].to_pylist() for name in ("judge_score", "judge_reason", "judge_error", CONTRADICTED))
    measured: list[Measured] = []
    lost: list[str] = []
    for pair, score, reason, error, contradicted in zip(pairs, *columns, strict=True):
        if score is None:
            lost.append(error or "no verdict")
            continue
        item, said = pair.item, " ".join((reason or "").split())[:SHOWN]
        longer = float(len(pair.answer) - len(pair.first))
        for name, value in ((PREFERRED, score), (CONTRADICTED, float(bool(contradicted))), ("longer_by", longer)):
            measured.append(Measured(item.row["id"], item.task, item.part, name, value, 1.0, said or None, None))
    return measured, lost


def told(found: Mapping[str, Sequence[Measured]], judge: str, seed: int) -> list[dict[str, Any]]:
    """Return what run.json says of each model beside the first, over all tasks; nothing where nothing was judged.

    Args:
        found: model -> what was measured of it, the first model first.
        judge: the name of the judge.
        seed: of the bootstrap.
    """
    first, *others = found
    lines = []
    for model in others:
        by_measure = {
            name: np.array([one.value for one in found[model] if one.measure == name])
            for name in (PREFERRED, CONTRADICTED, "longer_by")
        }
        score, longer = by_measure[PREFERRED], by_measure["longer_by"]
        if not len(score):
            continue
        whole = intervals.share(float(score.sum()), len(score))  # a bootstrap would be sure where every pair is won
        lines.append({
            "model": model, "than": first, "judge": judge, "items": len(score), "won": int((score == 1).sum()),
            "lost": int((score == 0).sum()), "ties": int((score == 0.5).sum()),
            "contradicted": int(by_measure[CONTRADICTED].sum()), "longer_by": round(float(longer.mean()), 1),
            "preferred": whole.rounded(), "at_equal_length": at_equal_length(score, longer, seed).rounded(),
        })  # fmt: skip
    return lines


def at_equal_length(score: Floats, longer: Floats, seed: int) -> Estimate:
    """Return what share would be preferred if the answers were of one length, with its bootstrap interval.

    It is where a logistic regression of the score on the difference in length, through a hyperbolic tangent, stands at 0. Where
    all scores are alike length explains nothing, and resamples would all agree: then it is the share itself with its interval.

    Args:
        score: float64[n], 1 preferred, 0 not, 0.5 a tie.
        longer: float64[n], characters that the answer is longer by.
        seed: of the resamples.
    """
    if score.min() == score.max():
        return intervals.share(float(score.sum()), len(score))
    spread = float(longer.std())
    x = np.tanh(longer / spread) if spread else np.zeros(len(longer))
    drawn = np.concatenate([_at_zero(counts, score, x) for counts in intervals.resamples(len(score), seed)])
    return Estimate(float(_at_zero(np.ones((1, len(score))), score, x)[0]), *intervals.ends(drawn))


def _at_zero(counts: Floats, score: Floats, x: Floats) -> Floats:
    """The fitted share at x = 0 for each line of counts, float64[b, n] -> float64[b]; Newton's method on both weights."""
    level, slope = np.zeros(len(counts)), np.zeros(len(counts))
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(level[:, None] + slope[:, None] * x, -30, 30)))
        rest, weight = counts * (score - p), counts * p * (1 - p)
        g0, g1 = rest.sum(1) - RIDGE * level, rest @ x - RIDGE * slope
        a, b, c = weight.sum(1) + RIDGE, weight @ x, weight @ (x * x) + RIDGE
        det = a * c - b * b
        level, slope = level + (c * g0 - b * g1) / det, slope + (a * g1 - b * g0) / det
    share: Floats = 1 / (1 + np.exp(-level))
    return share
