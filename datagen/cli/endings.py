"""How a command ends: where what it made is, and the command that comes next, ready to be pasted."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datagen.cli.say import command_line, say

if TYPE_CHECKING:
    from datagen.doctor.doctor import Findings

WIDTH = 80


def made(**places: str | Path) -> None:
    """Say where things are, `rows: x/kept   report: x/report.html`, on as few lines of 80 columns as hold them."""
    line = ""
    for name, place in places.items():
        part = f"{name}: {place}"
        if line and len(line) + 3 + len(part) > WIDTH:
            say(line)
            line = ""
        line = f"{line}   {part}" if line else part
    if line:
        say(line)


def then(*words: str, label: str = "next") -> None:
    """Say what to do next; `words` are those of the command line after `datagen`."""
    say(f"{label}: {command_line(*words)}")


def without(options: Sequence[str], flags: Sequence[str]) -> list[str]:
    """Return the words of the command at work without some of its options and flags."""
    found: list[str] = []
    words = iter(sys.argv[1:])
    for word in words:
        if word in options:
            next(words, None)
        elif word not in flags and word.partition("=")[0] not in options:
            found.append(word)
    return found


def of_run(out: str, summary: dict[str, Any]) -> None:
    """Say where the rows of a run are and what comes after its last step."""
    out = _pasted(out)
    made(rows=Path(out, "kept"), drops=Path(out, "dropped"), report=Path(out, "report.html"))
    _of_personal_data(out, summary.get("personal_data", {}))
    last = summary["stages"][-1] if summary["stages"] else {}
    if name := last.get("training", {}).get("adapter"):  # or `model`, where the whole of it was trained
        made(**{name: Path(out, name)})
    if example := dropped_id(Path(out)):
        say(f"why a row went: {command_line('explain', out, example[:12])}")
    if summary["rows_kept"] and not last.get("stopped"):
        after(out, last)


def _of_personal_data(out: str, found: dict[str, int]) -> None:
    """Say what the kept rows hold of personal data, and what masks it."""
    if not any(found.values()):
        return
    from datagen.curate.clean import MASKING
    from datagen.personal_data.counts import said

    inside = found.get("in_tools", 0)  # `clean` leaves these as they are
    left = inside == sum(n for kind, n in found.items() if kind not in ("rows", "in_tools"))
    of_them = f" ({inside:,} in what tools are called with or say, which clean leaves)" if inside else ""
    say(f"personal data in {found['rows']:,} kept rows: {said(found)}{of_them}{'' if left else '; masked by:'}")
    if not left:
        say(f"  {command_line('filter', out, '-o', beside(out, 'masked'), '--stage', MASKING)}")


def after(out: str, last: dict[str, Any]) -> None:
    """Say what comes after a run whose last step has this entry in run.json."""
    if "evaluation" in last:
        from datagen.folders import ITEMS

        made(items=Path(out, ITEMS))
    elif name := last.get("training", {}).get("adapter"):
        _after_training(out, last["options"], str(Path(out, name)))
    elif "requests" in last or "pairs" in last or "documents" in last:  # rows that no stage has looked at yet
        then("filter", out, "-o", beside(out, "filtered"))
    else:
        held_out = ("--eval", str(Path(out, "test"))) if last["dropped"].get("held_out") and last["name"] == "split" else ()
        then("train", out, "-o", beside(out, "trained"), *held_out)
        file = f"{beside(out, 'rows')}.jsonl"
        then("export", out, "--to", "messages", "-o", file, label="  or")


def _after_training(out: str, options: dict[str, Any], model: str) -> None:
    if options.get("direction") == "backward":  # it writes instructions, for documents that only the reader has
        then("doctor", "--model", model)
        return
    if options.get("objective") == "lm":  # nobody asked it for an answer yet
        method = () if options.get("method") == "full" else ("--method", str(options.get("method")))
        then("train", "ROWS", "--model", model, *method, "-o", beside(out, "tuned"))
        return
    if options.get("method") in ("prefix", "prompt", "adapter"):
        say(f"next: load it as {Path(model, 'README.md')} says; datagen asks LoRA, DoRA, IA3 and whole models")
        return
    rows = out if (held_out := options.get("eval")) in (None, "-") else str(held_out)
    then("answer", rows, "--limit", "3", "--model", model, "-o", beside(out, "answers"))


def beside(out: str, what: str) -> str:
    """Return the name of a folder beside another: `runs/x` and filtered are `runs/x-filtered`."""
    if Path(out).name in ("", ".."):  # of `.` and the like
        return os.path.relpath(f"{Path(out).resolve()}-{what}")
    return _pasted(f"{Path(out)}-{what}")


def _pasted(path: str) -> str:
    """Return a path as a command line takes it: one that begins with a dash would be an option."""
    return f"./{path}" if path.startswith("-") else path


def dropped_id(folder: Path) -> str | None:
    """The id of the last dropped row, which is most likely one that a stage judged; None when all were kept."""
    from datagen.data.shards import read_table, shard_paths

    shards = shard_paths(folder / "dropped")
    ids = read_table(shards[-1], ["id"]).column("id") if shards else []
    return str(ids[-1]) if len(ids) else None


def of_stats(paths: Sequence[str], rows: int, limit: int | None) -> None:
    """Say what comes after rows were counted: what comes after the run that they are, or else a filter."""
    from datagen.data.shards import read_json
    from datagen.work import source_name

    if not rows or "-" in paths:
        return
    if len(paths) == 1 and (summary := read_json(Path(paths[0], "run.json"))) and summary["stages"]:
        after(paths[0], summary["stages"][-1])
        return
    few = ["--limit", str(limit)] if limit else []
    then("filter", *map(_pasted, paths), *few, "-o", f"{Path(source_name(paths[0])).name}-filtered")


def of_doctor(found: Findings, base_url: str | None) -> None:
    """Say how to make rows with the model that was examined; a paid one is asked for an estimate first."""
    from datagen.chat.masking import secrets_of
    from datagen.models.names import EMBEDDED, is_local

    ways = [g for g in found.generators if g.allowed and g.generator.startswith("self-instruct")]
    if not ways or not found.model or (base_url and secrets_of(base_url, None)):
        return  # an address with a password in it is not repeated, nor would a run take it
    here = is_local(found.model) and base_url is None
    way = next((g for g in ways if here and g.generator.endswith(" one")), ways[0])  # a small model's own method
    words = [*way.generator.split(), "-n", "10" if here else "100", "-o", "tasks"]
    words += [] if here else ["--estimate"]
    words += [] if found.model == EMBEDDED else ["--model", found.model]
    words += ["--base-url", base_url] if base_url else []
    then(*words, *(["--temperature", "off"] if "--temperature off" in way.why else []))
