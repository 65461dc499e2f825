"""The report of a run: one self-contained page, made from the run folder alone, the same bytes for the same folder.

Rows are hostile: every text reaches the page through the autoescape of a sandboxed Jinja template, no markup is made
anywhere else, and the page forbids itself scripts and requests.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from datagen import reasons
from datagen.curate.clean import MASKING
from datagen.data.rows import LEDGER
from datagen.data.shards import count_rows, read_json, read_shards, write_text
from datagen.json_text import dumps
from datagen.personal_data import counts
from datagen.report import charts, evaluation, flow, numbers, samples, texts
from datagen.report.diversity import panel
from datagen.visible import visible

KEPT_SAMPLES = 8
TABLE_ROWS = 20  # of the tables by source and by language
TOPIC_ROWS = 60  # of the table of topics
COLOURS = 10  # that the page has for reasons and sources
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def write_report(out: Path, summary: dict[str, Any]) -> Path:
    """Write `report.html` into a run folder and return its path.

    Args:
        out: a run folder with kept/ and dropped/, and metrics.jsonl and mix.json where the run had such steps.
        summary: the content of run.json.
    """
    found = samples.groups(out / "dropped")
    stages = summary["stages"]
    palette = _palette([*(r for s in stages for r in s["dropped"]), *(g.reason for g in found)])
    told = _reasons(stages, found)
    context = {
        "run": _head(out, summary, found),
        "stages": [_stage(s, max([1, *(s["rows_in"] for s in stages)]), palette) for s in stages],
        "groups": flow.by_group(out, stages),
        "drops": _drops(out, found, palette),
        "kept": _kept(out / "kept"),
        "personal": _personal(out, summary),
        "mixture": _mixture(read_json(out / "mix.json")),
        "training": _training(out, stages),
        "evaluations": [evaluation.shown(s, out) for s in stages if s.get("evaluation")],
        "generation": [_generation(s, palette) for s in stages if "requests" in s],
        "reasons": told,
        "anchors": {r["name"]: r["anchor"] for r in told},
    }
    # A folder's name or an option may hold what UTF-8 cannot.
    page = _template().render(context).encode("utf-8", "backslashreplace").decode("utf-8")
    path = out / "report.html"
    write_text(path, page)
    return path


@cache  # compiling it takes longer than all else that a small run does
def _template() -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    env = SandboxedEnvironment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    env.filters.update(
        count=numbers.count, number=_number, percent=numbers.percent, duration=numbers.duration, lang=_lang, visible=_visible
    )
    return env.from_string(Path(__file__).with_name("template.html.jinja").read_text(encoding="utf-8"))


def _number(value: Any) -> str:
    """A score or a loss: whole numbers whole, others with four decimals at most."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return _visible(value)
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.4g}" if abs(value) < 0.001 else f"{value:,.4f}".rstrip("0").rstrip(".")


def _lang(language: Any) -> str:
    """A row's language where it can stand in the attribute `lang`; else "", which means unknown."""
    return language if isinstance(language, str) and _LANGUAGE.fullmatch(language) else ""


def _visible(value: Any) -> str:
    """Any value as a short text, control characters made visible."""
    return texts.cut(value if isinstance(value, str) else dumps(value, default=str))


def _palette(names: Sequence[str]) -> dict[str, int]:
    """The colour of each name, by order of appearance."""
    return {name: n % COLOURS for n, name in enumerate(dict.fromkeys(names))}


def _head(out: Path, summary: Mapping[str, Any], found: Sequence[samples.Group]) -> dict[str, Any]:
    """Name and counts of the run, and every count that does not add up."""
    rows_in, kept, dropped = (summary[k] for k in ("rows_in", "rows_kept", "rows_dropped"))
    wrong = []
    if rows_in != kept + dropped:
        wrong.append(f"{rows_in:,} rows came in, but {kept:,} kept and {dropped:,} dropped are {kept + dropped:,}")
    for folder, told in (("kept", kept), ("dropped", dropped)):
        if (there := count_rows(out / folder)) != told:
            wrong.append(f"{folder}/ holds {there:,} rows, but the run counted {told:,}")
    counted: dict[tuple[str, str], int] = {}
    for stage in summary["stages"]:
        for reason, n in stage["dropped"].items():
            counted[stage["name"], reason] = counted.get((stage["name"], reason), 0) + n
    ledger = {(g.stage, g.reason): g.count for g in found}
    for stage, reason in sorted(counted.keys() | ledger.keys()):
        told, there = counted.get((stage, reason), 0), ledger.get((stage, reason), 0)
        if told != there:
            wrong.append(f"{stage} counted {told:,} rows dropped as {reason}, but dropped/ holds {there:,}")
    facts = {k: summary[k] for k in ("datagen", "rows_in", "rows_kept", "rows_dropped", "seconds")}
    return {**facts, "name": visible(out.resolve().name), "wrong": wrong}


def _stage(stage: Mapping[str, Any], widest: int, palette: Mapping[str, int]) -> dict[str, Any]:
    """A stage with its bar; widths are percent of the stage that had the most rows."""
    parts = [("kept", stage["rows_kept"], None), *((r, n, palette[r]) for r, n in stage["dropped"].items())]
    options = stage["options"] if isinstance(stage["options"], Mapping) else {"options": stage["options"]}
    return {
        **{k: stage[k] for k in ("name", "rows_in", "rows_kept", "seconds")},
        "parts": [
            {"name": name, "rows": n, "share": n / (stage["rows_in"] or 1), "width": 100 * n / widest, "colour": colour}
            for name, n, colour in parts
        ],
        "options": list(options.items()), "notes": flow.notes(stage),
        "curve": flow.curve(stage), "coverage": flow.coverage(stage), "distribution": flow.distribution(stage),
    }  # fmt: skip


def _drops(out: Path, found: Sequence[samples.Group], palette: Mapping[str, int]) -> list[dict[str, Any]]:
    total = sum(g.count for g in found)
    return [
        {
            "stage": group.stage, "reason": group.reason, "count": group.count, "share": group.count / total,
            "colour": palette[group.reason], "samples": [_sample(s) for s in shown],
        }
        for group, shown in zip(found, samples.drops(out, list(found)), strict=True)
    ]  # fmt: skip


def _reasons(stages: Sequence[Mapping[str, Any]], found: Sequence[samples.Group]) -> list[dict[str, Any]]:
    """What the reasons of the run mean, and for each step what to do where such rows should stay; those that are known."""
    asking = {s["name"] for s in stages if "requests" in s}
    given = [*((reason, s["name"]) for s in stages for reason in s["dropped"]), *((g.reason, g.stage) for g in found)]
    told: dict[str, dict[str, list[str]]] = {}
    for name, step in dict.fromkeys(given):
        if known := reasons.find(name, step, asks_model=step in asking):
            for what in known.of_step(step, asks_model=step in asking):
                told.setdefault(name, {}).setdefault(what, []).append(step)
    return [
        {
            "name": name, "anchor": f"reason-{name}", "meaning": reasons.REASONS[name].meaning,
            "stays": [(", ".join(steps), what) for what, steps in ways.items()],
        }
        for name, ways in told.items()
    ]  # fmt: skip


def _sample(sample: Mapping[str, Any]) -> dict[str, Any]:
    row, witness = sample["row"], sample["witness"]
    same = witness is not None and witness["id"] == row["id"]
    pair = texts.beside(row, witness) if witness is not None and not same else None
    return {
        "row": row, "witness": witness, "where": sample["where"], "same": same, "pair": pair,
        "blocks": texts.alone(row) if pair is None else [], "added": _added(row),
    }  # fmt: skip


def _added(row: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The columns that stages added to a row."""
    return [(k, v) for k, v in row.items() if k not in LEDGER.names and v is not None]


def _kept(folder: Path) -> dict[str, Any]:
    """Counts of the kept rows, and some of them."""
    rows = samples.rows_at(folder, samples.evenly(count_rows(folder), KEPT_SAMPLES))
    return {
        "samples": [{"row": r, "blocks": texts.alone(r), "added": _added(r)} for r in rows.values()],
        **_counts(folder),
    }


def _personal(out: Path, summary: Mapping[str, Any]) -> dict[str, Any]:
    """What the kept rows hold of personal data, in words, and the command that masks it."""
    found = summary.get("personal_data") or counts.of_folder(out / "kept")  # an older run.json has none
    name = out.resolve().name
    command = shlex.join(["datagen", "filter", name, "-o", f"{name}-masked", "--stage", MASKING])
    return {"said": counts.said(found), "rows": found["rows"], "in_tools": found.get("in_tools", 0), "command": command}


def _counts(folder: Path) -> dict[str, Any]:
    """Rows and lengths of answers (characters), by source and by language; `seen` counts repeats."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    parts: list[pa.Table] = []
    for shard in read_shards(folder, ["source", "language", "repeat", "output"]):
        length = pc.utf8_length(shard.column("output"))
        parts.append(shard.drop_columns(["output"]).append_column("length", length))
    if not sum(map(len, parts)):
        return {"rows": 0, "seen": 0, "tables": [], "length": None}
    table = pa.concat_tables(parts)
    lengths, repeat = table.column("length").to_numpy(), table.column("repeat").to_numpy()

    def told(chosen: Any) -> dict[str, Any]:
        median, p90 = np.percentile(lengths[chosen], [50, 90], method="inverted_cdf")
        return {"rows": len(lengths[chosen]), "median": int(median), "p90": int(p90)}

    def by(column: str) -> dict[str, Any]:
        values = table.column(column).combine_chunks().dictionary_encode()
        names, codes = values.dictionary.to_pylist(), values.indices.to_numpy()
        counts = np.bincount(codes).tolist()
        top = sorted(range(len(names)), key=lambda i: (-counts[i], names[i]))[:TABLE_ROWS]
        rest = {"names": len(names) - len(top), "rows": len(table) - sum(counts[i] for i in top)}
        return {"title": column, "lines": [{"name": names[i], **told(codes == i)} for i in top], "rest": rest}

    whole = told(slice(None))
    return {"rows": len(table), "seen": int(repeat.sum()), "tables": [by("source"), by("language")], "length": whole}


def _mixture(mix: Any) -> dict[str, Any] | None:
    """The sources of the mixture, and the ranked grid with its noise in words."""
    if not mix:
        return None
    sources, colours = mix["sources"], _palette(list(mix["sources"]))
    rows, taken = (sum(s[k] for s in sources.values()) or 1 for k in ("rows", "taken"))
    bars = {
        "rows there are": [(n, s["rows"] / rows, colours[n]) for n, s in sources.items()],
        "rows taken": [(n, s["taken"] / taken, colours[n]) for n, s in sources.items()],
    }
    grid = mix.get("grid")
    ranked = [dict(r) for r in grid["ranked"]] if grid else []
    for mixture in ranked:
        mixture["bar"] = [(n, weight, colours.get(n, 0)) for n, weight in mixture["weights"].items()]
    return {
        "sources": [{"name": n, "colour": colours[n], **s} for n, s in sources.items()],
        "bars": bars, "ranked": ranked, "noise": _noise(grid) if ranked else "",
        "second": grid.get("best_second_seed") if grid else None,
    }  # fmt: skip


def _noise(grid: Mapping[str, Any]) -> str:
    """What the second seed says of the ranking."""
    ranked, noise = grid["ranked"], grid["noise"]
    said = f"The best mixture and its second seed differ by {_number(noise)}."
    if len(ranked) < 2:
        return said
    gap = ranked[1]["loss"] - ranked[0]["loss"]
    within = sum(r["loss"] - ranked[0]["loss"] <= noise for r in ranked[1:])
    said += f" The second-ranked is {_number(round(gap, 6))} behind the best"
    if not within:
        return f"{said}: more than the noise."
    others = f", and so are {within - 1} more: the grid does not tell them apart" if within > 1 else ""
    return f"{said}: within the noise{others}."


def _losses(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> tuple[str, str, str]:
    """A loss before and after training, and its change; one that is no number is null in run.json, and said here."""
    was, now = before.get(name), after.get(name)
    change = "" if was is None or now is None else f"{now - was:+.4f}".replace("-", "−")
    told = [("not a number" if f[name] is None else f"{f[name]:.4f}") if name in f else "" for f in (before, after)]
    return told[0], told[1], change


def _training(out: Path, stages: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The loss curve, the losses before and after, and how to load what was trained."""
    step = next((s for s in reversed(stages) if s.get("training")), None)
    metrics = out / "metrics.jsonl"
    losses, bad = charts.read_losses(metrics) if metrics.is_file() else ([], 0)
    if step is None and not losses and not bad:
        return None
    told = dict(step["training"]) if step else {}
    first, last = charts.first_and_last(losses) if losses else (None, None)
    before, after = told.get("eval_before") or {}, told.get("eval_after") or {}
    was, now = before.get("by_source", {}), after.get("by_source", {})
    names = list(dict.fromkeys([*was, *now]))
    evals = [("all sources", *_losses(before, after, "loss"))] if before or after else []
    if len(names) > 1:  # with one source its line would repeat the first
        evals += [(n, *_losses(was, now, n)) for n in names]
    folder = told.get("adapter")
    path = dumps(f"{out.resolve().name}/{folder}")
    loader = "peft.AutoPeftModelForCausalLM" if folder == "adapter" else "transformers.AutoModelForCausalLM"
    imports = "import peft, transformers" if folder == "adapter" else "import transformers"
    tokenizer = f"tokenizer = transformers.AutoTokenizer.from_pretrained({path})"
    return {
        "told": told, "model": (step["options"] or {}).get("model") if step else None, "bad": bad,
        "first": told.get("first_loss", first), "last": told.get("last_loss", last), "evals": evals,
        "charts": [charts.curve(losses, *size) for size in ((880, 320), (400, 280))] if losses else [],
        "steps": len(losses), "folder": folder, "with_peft": folder == "adapter",
        "code": f"{imports}\nmodel = {loader}.from_pretrained({path})\n{tokenizer}",
    }  # fmt: skip


def _generation(stage: Mapping[str, Any], palette: Mapping[str, int]) -> dict[str, Any]:
    """Return a generator's step as the template shows it: every number of run.json, shares beside counts."""
    items = stage["rows_in"] or 1
    parts = [("kept", stage["rows_kept"], None), *((r, n, palette[r]) for r, n in stage["dropped"].items())]
    topics = stage.get("topics") or []
    shown = sorted(topics, key=lambda t: (-t["kept"], t["topic"]))[:TOPIC_ROWS]
    return {
        "name": stage["name"], "model": (stage["options"] or {}).get("model"), "rows_in": stage["rows_in"],
        "rows_kept": stage["rows_kept"], "rows_asked": stage.get("rows_asked"),
        "new_rows": stage.get("new_rows"), "each": stage.get("new_rows", stage["rows_kept"]),
        "operations": [(name, *counts) for name, counts in (stage.get("operations") or {}).items()],
        "requests": stage["requests"], "usage": stage.get("usage"), "cost": stage.get("cost"),
        "parts": [{"name": n, "rows": rows, "share": rows / items, "colour": c} for n, rows, c in parts],
        "topics": shown, "cut_off": (stage.get("cut_off") or [])[:20],
        "more_topics": len(topics) - len(shown), "stopped": (stage.get("stopped") or {}).get("message"),
        "diversity": panel(stage["diversity"]) if stage.get("diversity") else "",
    }  # fmt: skip
