"""`datagen export`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli.run_flags import reads_rows
from datagen.cli.say import say


@click.command("export")
@click.argument("rows")
@click.option(
    "--to",
    required=True,
    metavar="FORMAT",
    help="alpaca, sharegpt, messages, prompt_completion, llamafactory, axolotl, openai, parquet, or a module of your own.",
)
@click.option("-o", "--out", metavar="FILE", help="File to write, .gz or .zst allowed; default: standard output.")
@reads_rows
def command(rows: str, to: str, out: str | None, **how: Any) -> int:
    """Write ROWS (a result folder, or anything that can be read) in another format, with a dataset card beside FILE.

    `repeat` is expanded: a row taken twice by a mixture is written twice.
    """
    import contextlib
    from pathlib import Path

    from datagen.cli import endings
    from datagen.cli.unreadable import Unreadable
    from datagen.errors import UsageError
    from datagen.formats.format import find
    from datagen.formats.read import files, read
    from datagen.formats.write import export
    from datagen.progress import shown
    from datagen.reading import reading

    find(to)
    out = None if out == "-" else out
    if out and Path(out).is_dir():
        raise UsageError(f"{out} is a folder; -o names a file, such as {Path(out, to)}.jsonl")
    if out and Path(out).exists() and any(Path(out).samefile(f) for f in files(rows, split="all")):
        raise UsageError(f"{out} is what is being read; give another -o")
    lost = Unreadable()
    found = lost.noted(read(rows, answers="named", needs_rows=True, **vars(reading(how))))
    with contextlib.ExitStack() as stack:
        if out:  # else the terminal shows the rows themselves
            found = stack.enter_context(shown("export")).counted(found)
        done = export(found, to, Path(out) if out else None)
    for note in done.notes:
        say(f"datagen: {note}", err=True)
    lost.say()
    if not done.rows:
        say(f"datagen: {rows} holds no row", err=True)
    if out:
        card = f"; card: {done.card}" if done.card else ""
        say(f"{done.records:,} records -> {', '.join(map(str, done.files))}{card}")
        endings.then("stats", out)
    return 0
