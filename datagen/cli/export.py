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
    help="alpaca, sharegpt, messages, prompt_completion, llamafactory, axolotl, openai, parquet, tokenized, or a module of"
    " your own.",
)
@click.option("-o", "--out", metavar="FILE", help="File to write, .gz or .zst allowed; default: standard output.")
@click.option("--model", help="Of --to tokenized: whose tokens and template; default smollm2.")
@click.option("--max-length", type=click.IntRange(2), help="Of --to tokenized: tokens of a text; longer rows are left out.")
@reads_rows
def command(rows: str, to: str, out: str | None, model: str | None, max_length: int | None, **how: Any) -> int:
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

    if to == "tokenized":
        return _tokenized(rows, out, model, max_length, how)
    if model or max_length:
        raise UsageError("--model and --max-length are of --to tokenized; leave them out")
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


def _tokenized(rows: str, out: str | None, model: str | None, max_length: int | None, how: dict[str, Any]) -> int:
    """Write rows as token ids and labels."""
    from pathlib import Path

    from datagen.cli.unreadable import Unreadable
    from datagen.errors import UsageError
    from datagen.formats.read import read
    from datagen.reading import reading
    from datagen.training.options import TrainOptions
    from datagen.training.tokenized import write_tokenized

    if not out or not out.endswith(".parquet"):
        raise UsageError("--to tokenized writes one Parquet file: -o FILE.parquet")
    given = {"model": model, "max_length": max_length}
    options = TrainOptions(overflow="drop", **{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    lost = Unreadable()
    found = write_tokenized(lost.noted(read(rows, answers="needed", needs_rows=True, **vars(reading(how)))), options, Path(out))
    lost.say()
    say(f"{found.texts:,} texts, {found.tokens:,} tokens, {found.label_tokens:,} of them labels -> {out}")
    if found.left_out:
        say("left out: " + ", ".join(f"{name} {n:,}" for name, n in found.left_out.items()))
    return 0
