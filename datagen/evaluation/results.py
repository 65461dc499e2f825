"""Measurements put together: a number per model, task and measure, and how the others differ from the first model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from datagen.evaluation import intervals, overlap
from datagen.evaluation.intervals import Estimate
from datagen.evaluation.measured import Measured
from datagen.evaluation.measures import MEASURES


def told(found: Mapping[str, Sequence[Measured]], seed: int) -> dict[str, Any]:
    """Return what run.json says of an evaluation.

    Args:
        found: model -> what was measured of it; the first is the one that others are compared with.
        seed: of the bootstrap.

    Returns:
        `numbers`: a map per model, task, part and measure: `value`, `low`, `high` (95 %) and `items`; a task as a whole has the
        part "". `differences`: the same of a model less the first one, on the items that both have, and whether it is
        `better`: true or false; null where the interval holds 0, or where more is neither good nor bad. `about`: what each
        measure is, in words.
    """
    names = list(found)
    numbers: list[dict[str, Any]]
    grouped = {model: _groups(ones) for model, ones in found.items()}
    numbers = [
        {"model": model, **_named(key), **_estimate(ones, seed).rounded(), "items": len(ones)}
        for model in names
        for key, ones in grouped[model].items()
    ]
    differences = []
    for model in names[1:]:
        for key, ones in grouped[model].items():
            before = {one.id: one for one in grouped[names[0]].get(key, ())}
            both = [(one, before[one.id]) for one in ones if one.id in before]
            if both:
                number = _difference(both, seed).rounded()
                beside = {"model": model, "than": names[0], **_named(key)}
                differences.append({**beside, **number, "items": len(both), "better": _better(key[2], number)})
    about = {name: MEASURES[name].about for name in dict.fromkeys(one["measure"] for one in numbers)}
    return {"models": names, "numbers": numbers, "differences": differences, "about": about}


Key = tuple[str, str, str]  # task, part, measure


def _groups(ones: Sequence[Measured]) -> dict[Key, list[Measured]]:
    """Measurements by task as a whole, and by its parts where it has several."""
    parts: dict[str, set[str]] = {}
    for one in ones:
        parts.setdefault(one.task, set()).add(one.part)
    found: dict[Key, list[Measured]] = {}
    for one in ones:
        found.setdefault((one.task, "", one.measure), []).append(one)
        if one.part and len(parts[one.task]) > 1:
            found.setdefault((one.task, one.part, one.measure), []).append(one)
    return found


def _named(key: Key) -> dict[str, str]:
    return dict(zip(("task", "part", "measure"), key, strict=True))


def _estimate(ones: Sequence[Measured], seed: int) -> Estimate:
    values, sizes = np.array([one.value for one in ones]), np.array([one.size for one in ones])
    measure = ones[0].measure
    form = MEASURES[measure].form
    if form == "share":
        return intervals.share(float(values.sum()), len(values))
    if form == "corpus":
        return intervals.corpus(_counts(ones), partial(overlap.score, measure), seed)
    return intervals.ratio(values, sizes, seed)


def _counts(ones: Sequence[Measured]) -> intervals.Floats:
    return np.array([one.counts for one in ones], np.float64)


def _difference(both: Sequence[tuple[Measured, Measured]], seed: int) -> Estimate:
    """How much higher the first of each pair is; losses per token of two tokenizers are ratios of their own."""
    one, other = (np.array([pair[at].value for pair in both]) for at in (0, 1))
    measure = both[0][0].measure
    if MEASURES[measure].form == "share":
        return intervals.paired_shares(one == 1, other == 1)
    if MEASURES[measure].form == "corpus":
        counts, others = (_counts([pair[at] for pair in both]) for at in (0, 1))
        return intervals.corpus_difference(counts, others, partial(overlap.score, measure), seed)
    sizes, theirs = (np.array([pair[at].size for pair in both]) for at in (0, 1))
    return intervals.difference(one, sizes, other, theirs, seed)


def _better(measure: str, number: Mapping[str, float]) -> bool | None:
    better = MEASURES[measure].better
    if not better or number["low"] <= 0 <= number["high"]:
        return None
    return (number["value"] > 0) == (better == "more")
