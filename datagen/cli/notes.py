"""What the terminal says of a step beside its counts."""

from __future__ import annotations

import math
from typing import Any

EVIDENCE = 220  # characters of why a piece was not read


def notes_of(stage: dict[str, Any]) -> list[str]:
    """What a step says beside its counts: the mixture's epochs, the loss, the requests."""
    notes = [
        f"not read: {_shortened(one['evidence'])}" + (f" ({one['rows']:,} such)" if one["rows"] > 1 else "")
        for one in stage.get("not_read", ())
    ]
    for name, source in stage.get("sources", {}).items():
        notes.append(
            f"{name}: {source['taken']:,} from {source['rows']:,} rows ({source['epochs']:.2f} epochs),"
            f" share {source['share']:.3f}"
        )
    if training := stage.get("training"):
        notes += _of_training(training, stage.get("options") or {})
    if requests := stage.get("requests"):
        notes += _of_generation(stage, requests)
    if changed := stage.get("rewritten"):
        notes.append(f"{changed:,} rows mended; rewritten/ has their old and new ids")
    return notes + _of_decision(stage.get("notes", {}))


def _of_training(training: dict[str, Any], options: dict[str, Any]) -> list[str]:
    """What a training run did."""
    notes = []
    notes.append(
        f"loss {_loss(training['first_loss'], 3)} -> {_loss(training['last_loss'], 3)} in {training['steps']} steps,"
        f" {training['dtype']}"
    )
    objective = options.get("objective", "sft")
    if training.get("samples", 0) > training["rows"] and objective == "sft":
        notes.append(
            f"{training['rows']:,} rows became {training['samples']:,} texts: the chat template rewrites earlier turns,"
            " so each answer is taught as it was asked for"
        )
    if times := training.get("latency_ms"):
        merged = "; merged it costs nothing" if options.get("method") in ("lora", "dora", "ia3") else ""
        notes.append(f"{times['adapter']:.1f} ms per generated token with the adapter, {times['base']:.1f} without{merged}")
    if left := training.get("skipped"):
        steps = ", ".join(str(one["step"]) for one in left)
        notes.append(f"steps left out, their rows in run.json: {steps}")
    untaught = training.get("untaught", {})
    if silent := untaught.get("empty_answers"):
        notes.append(f"{silent:,} empty answers inside conversations carry no loss")
    if cut := untaught.get("turns_cut"):
        notes.append(f"{cut:,} turns after the last answer of their conversations are not trained")
    if (before := training["eval_before"]) and (after := training["eval_after"]):
        notes.append(f"held-out loss {_loss(before['loss'])} -> {_loss(after['loss'])}")
    return notes


def _shortened(evidence: str) -> str:
    """The words of a piece's evidence without the most of the piece itself, which may be long; dropped/ has all of it."""
    return evidence if len(evidence) <= EVIDENCE else f"{evidence[:EVIDENCE].rstrip()}…"


def _loss(value: float | None, decimals: int = 4) -> str:
    """A loss; in run.json one that is no number is null."""
    return "not a number" if value is None or not math.isfinite(value) else f"{value:.{decimals}f}"


def _of_size(told: dict[str, Any]) -> list[str]:
    """Why there are fewer rows than were asked for."""
    notes = []
    if asked := told.get("asked_for"):
        notes.append(f"{asked:,} rows were asked for; no more are there")
    if fewer := told.get("short_of"):
        notes.append(f"{fewer:,} fewer rows than asked for are held out: groups stay whole, and a row is left to train on")
    return notes


def _of_decision(told: dict[str, Any]) -> list[str]:
    """What a stage says of its decision: flags, rows that a model read in part, tags and what they cost."""
    notes = _of_size(told)
    if few := told.get("not_judged"):
        notes.append(f"too few answers in {', '.join(few)} to tell whether the model reads them")
    if beside := told.get("not_documents"):
        kinds = ", ".join(f"{count:,} {name[:20]}" for name, count in list(beside.items())[:6])
        notes.append(f"{sum(beside.values()):,} files are no documents and were not read: {kinds}{', …' * (len(beside) > 6)}")
    if flagged := told.get("flagged"):
        notes.append("flagged: " + ", ".join(f"{rule} {count:,}" for rule, count in flagged.items()))
    if pairs := told.get("spared_by_same_facts"):
        among = f" among the first {first:,} rows kept" if (first := told.get("spared_among")) else ""
        notes.append(f"{pairs:,} pairs at the threshold were spared by same_facts{among}")
    if cut := told.get("rows_cut"):
        notes.append(f"{cut:,} rows are longer than the model reads; their beginnings count")
    notes += _of_benchmarks(told)
    if "scored" in told:
        notes += _of_scores(told)
    if "tags_per_row" in told:
        notes.append(
            f"{told['covered']:,} tags by {told['by']}, {told['tags_per_row']:.2f} per row;"
            f" {told['rows_without_tags']:,} rows without"
        )
        if told["rows_not_tagged"]:
            notes.append(f"{told['rows_not_tagged']:,} rows not tagged: {told['first_error']}"[:150])
        notes += _used(told)
    return notes


def _of_benchmarks(told: dict[str, Any]) -> list[str]:
    """How many items of benchmarks were not looked for."""
    if not (silent := told.get("items_without_text")):
        return []
    first = told["first_without_text"]
    return [f"{silent:,} benchmark items hold nothing to look for, first {first}; name their field with fields=NAME"]


def _of_scores(told: dict[str, Any]) -> list[str]:
    """What a judge says: how many rows it scored, the mean, which candidate was better."""
    mean = "" if told["mean_score"] is None or "ties" in told else f", mean {told['mean_score']:.2f}"
    notes = [f"{told['scored']:,} rows scored{mean}; {told['rows_not_scored']:,} without a score"]
    if "ties" in told:
        notes.append(
            f"first candidate better {told['first_better']:,}, second {told['second_better']:,}, ties {told['ties']:,}, of"
            f" these {told['contradicted']:,} where the judge contradicted itself"
        )
    if told["rows_not_scored"]:
        notes.append(f"first of them: {told['first_error']}"[:150])
    return notes + _used(told)


def _used(told: dict[str, Any]) -> list[str]:
    """What a stage that asks a model has used, over the life of the folder."""
    if not (used := told.get("usage")):
        return []
    usd = "" if used["usd"] is None else f", ${used['usd']:.4f}"
    tokens = f"{used['input_tokens']:,} tokens in, {used['output_tokens']:,} out"
    return [f"over the life of this folder: {used['recorded']:,} answers, {tokens}{usd}"]


def _of_best(told: dict[str, dict[str, int]]) -> list[str]:
    """How the best of a row's answers was found, and how many were right."""
    notes = []
    for how, n in told.items():
        if how == "first":
            continue
        right = (
            f"; {n['right']:,} of {n['asked']:,} answers right, {n['rows_with_a_right_one']:,} rows have one"
            if "right" in n else ""
        )  # fmt: skip
        unknown = f"; {n['unknown']:,} of them could not be ranked" if n["unknown"] else ""
        notes.append(f"best by {how}: {n['rows']:,} rows{right}{unknown}")
    return notes


def _of_generation(stage: dict[str, Any], requests: dict[str, int]) -> list[str]:
    """The funnel of a generation: requests, items, rows kept; what they used and cost."""
    asked = f"{requests['judged']:,} requests -> {stage['rows_in']:,} items" if "judged" in requests else ""
    asked = asked or f"{stage['rows_asked']:,} rows asked about"
    sent = f"{requests['sent']:,} sent by it, {requests['recorded']:,} answers recorded"
    came = f"{stage['new_rows']:,} new rows" if "new_rows" in stage else f"{stage['rows_kept']:,} kept"
    notes = [f"{asked} -> {came}; {sent}"]
    if "new_rows" in stage and (lost := sum(stage["dropped"].values())):
        made = stage["new_rows"] + lost
        each = ", ".join(f"{reason} {count / made:.1%}" for reason, count in stage["dropped"].items())
        notes.append(f"of {made:,} tries {lost / made:.1%} came to nothing: {each}")
    notes += _of_best(stage.get("best", {}))
    for name, (made, kept) in stage.get("operations", {}).items():
        notes.append(f"{name}: {kept:,} of {made:,} kept")
    others = (
        ("given_up", "given up"), ("failed", "attempts failed or were not needed"), ("cut_off", "cut off (listed in run.json)")
    )  # fmt: skip
    if said := [f"{requests[key]:,} {words}" for key, words in others if requests.get(key)]:
        notes.append(", ".join(said))
    used, cost = stage["usage"], ""
    if stage["cost"]:
        held = f" + ${stage['cost']['held_usd']:.4f} held" if stage["cost"]["held_usd"] else ""
        usd = stage["cost"]["usd_per_kept_row"]
        each = "" if usd is None else f", ${usd:.6f} per kept row"
        cost = f"; ${stage['cost']['usd']:.4f}{held}{each}"
    each = f", {used['tokens_per_kept_row']:,.0f} per kept row" if used["tokens_per_kept_row"] is not None else ""
    notes.append(f"over the life of this folder: {used['input_tokens']:,} tokens in, {used['output_tokens']:,} out{each}{cost}")
    return notes
