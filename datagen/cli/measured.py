"""What a terminal says of an evaluation: a block for each task, a line for each measure and model."""

from __future__ import annotations

from typing import Any

FEW = 8  # parts of a task that are shown; run.json has all
OF_PARTS = ("loss", "choice", "exact", "final", "chosen")  # which measure of a part is shown: the last of them that it has


def of_evaluation(told: dict[str, Any] | None) -> list[str]:
    """Return the lines of an evaluation in run.json; none where there is none."""
    if not told:
        return []
    from datagen.models.names import short_names
    from datagen.visible import in_a_line

    names = {model: in_a_line(name) for model, name in short_names(told["models"]).items()}
    beside = {(_key(one), one["model"]): one for one in told["differences"]}
    tasks: dict[str, dict[tuple[str, str, str], list[dict[str, Any]]]] = {}
    for one in told["numbers"]:
        tasks.setdefault(one["task"], {}).setdefault(_key(one), []).append(one)
    notes = []
    for task, measures in tasks.items():
        notes.append(f"{in_a_line(task)}, {max(one['items'] for ones in measures.values() for one in ones):,} items")
        for key in _shown(list(measures)):
            name = in_a_line(f"{key[1]}: {key[2]}") if key[1] else key[2]
            for place, one in enumerate(measures[key]):
                model = f"{names[one['model']]:{max(map(len, names.values()))}}  " if len(names) > 1 else ""
                notes.append(f"  {'' if place else name:16}  {model}{_said(one)}")
                if difference := beside.get((key, one["model"])):
                    notes.append(f"  {'':16}  {_beside(difference, names)}")
        if len(hidden := {key[1] for key in measures if key[1]}) > FEW:
            notes.append(f"  {len(hidden)} parts of it are in run.json")
    for one in told["head_to_head"]:
        notes += _of_judge(one, names)
    return notes + _of_the_rest(told)


def _of_the_rest(told: dict[str, Any]) -> list[str]:
    """What was not measured, and why."""
    from datagen.visible import in_a_line

    notes = []
    if lost := told["not_judged"]:
        notes.append(f"not judged: {sum(lost.values()):,} pairs, first: {in_a_line(next(iter(lost)))}")
    notes += [f"not measured: {in_a_line(why)}" for why in told["not_measured"]]
    if left := told["not_scored"]:
        notes.append("items without one of the measures: " + ", ".join(f"{reason} {count:,}" for reason, count in left.items()))
    return notes


def _shown(keys: list[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    """The measures of a task as a whole, then the chief one of each of its parts, where these are few."""
    parts: dict[str, list[str]] = {}
    for _, part, measure in keys:
        if part:
            parts.setdefault(part, []).append(measure)
    whole = [key for key in keys if not key[1]]
    if len(parts) > FEW:
        return whole
    chief = {part: max(ones, key=lambda m: OF_PARTS.index(m) if m in OF_PARTS else -1) for part, ones in parts.items()}
    return whole + [(keys[0][0], part, measure) for part, measure in sorted(chief.items())]


def _of_judge(one: dict[str, Any], names: dict[str, str]) -> list[str]:
    """How a judge finds a model beside the first."""
    from datagen.visible import in_a_line

    return [
        f"{names[one['model']]} against {names[one['than']]}, {one['items']:,} pairs judged by {in_a_line(one['judge'])}",
        f"  {'preferred':16}  {_said(one['preferred'])}",
        f"  {'at equal length':16}  {_said(one['at_equal_length'])}",
        f"  won {one['won']:,}, lost {one['lost']:,}, ties {one['ties']:,} (the judge contradicted itself in"
        f" {one['contradicted']:,}); {one['longer_by']:+,.0f} characters",
    ]


def _key(one: dict[str, Any]) -> tuple[str, str, str]:
    return one["task"], one["part"], one["measure"]


def _said(one: dict[str, Any]) -> str:
    return f"{one['value']:.4g} ({one['low']:.4g} to {one['high']:.4g})"


def _beside(one: dict[str, Any], names: dict[str, str]) -> str:
    from datagen.report.evaluation import verdict

    number = f"{one['value']:+.3g} ({one['low']:+.3g} to {one['high']:+.3g})"
    return f"less {names[one['than']]}: {number}, {verdict(one)}"
