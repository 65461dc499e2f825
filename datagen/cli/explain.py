"""`datagen explain`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli.say import say, say_json


@click.command("explain")
@click.argument("out")
@click.argument("row_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
def command(out: str, row_id: str, as_json: bool) -> int:
    """Show every fate of the row whose id begins with ID: stage, reason, score, threshold, and the witness beside it."""
    from pathlib import Path

    from datagen.progress import shown
    from datagen.report.explain import fates

    with shown("explain"):
        found = fates(Path(out), row_id)
    if as_json:
        say_json(found)
        return 0
    for row in found:
        witnesses = row.get("witness", [])[:1]
        mended = f", rewritten from {old}" if (old := row.get("rewritten_from")) else ""
        say(f"{row['id']}  {_fate(row)}{mended}")
        _say_meaning(row)
        _show(row, "  ")
        for parent in row.get("lineage", ()):
            say(f"  made of {parent['id']}{_made_by(row)}  {_fate(parent)}")
            _show(parent, "    ")
            row = parent
        for witness in witnesses:
            say(f"  witness {witness['id']}  {_fate(witness)}{f', in {of}' if (of := witness.get('of')) else ''}")
            _show(witness, "    ")
    return 0


def _made_by(row: dict[str, Any]) -> str:
    """The operation that made a row of its parent, where it is told."""
    from datagen.data.rows import extra_of
    from datagen.visible import in_a_line

    told = extra_of(row)
    return f" by {in_a_line(str(told['operation']))} in round {told.get('round')}" if "operation" in told else ""


def _fate(row: dict[str, Any]) -> str:
    from datagen.visible import in_a_line

    if "reason" not in row:
        return "kept"
    score = "" if row["score"] is None else f"  score {row['score']:.4f}"
    threshold = "" if row["threshold"] is None else f" (threshold {row['threshold']:g})"
    evidence = f"  {in_a_line(row['evidence'])}" if row["evidence"] else ""
    return f"dropped by {row['stage']}: {row['reason']}{score}{threshold}{evidence}"


def _say_meaning(row: dict[str, Any]) -> None:
    """Print what the reason of a drop means, and how such rows stay; nothing where a step of one's own says it itself."""
    import textwrap

    if not row.get("meaning"):
        return
    for text in (row["meaning"], *(f"To keep such rows: {told}." for told in row["to_keep"])):
        say(textwrap.fill(text, 80, initial_indent="  ", subsequent_indent="    "))


def _show(row: dict[str, Any], indent: str) -> None:
    import textwrap

    from datagen.data.rows import extra_of
    from datagen.visible import in_a_line, visible

    for name in ("instruction", "input", "output"):
        if row[name]:
            text = textwrap.shorten(visible(row[name]), 400, placeholder=" ...")
            say(textwrap.fill(f"{name}: {text}", 80, initial_indent=indent, subsequent_indent=indent + "  "))
    told = extra_of(row)
    document, span = told.get("document"), told.get("span")  # of a passage; a row's own fields may have these names
    if isinstance(document, str) and isinstance(span, list) and [type(at) for at in span] == [int, int]:
        say(f"{indent}from {in_a_line(document)}, characters {span[0]:,} to {span[1]:,}")
