"""`datagen stats`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli.run_flags import reads_rows
from datagen.cli.say import say, say_json


@click.command("stats")
@click.argument("rows", nargs=-1, required=True, metavar="ROWS...")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers as JSON.")
@reads_rows
def command(rows: tuple[str, ...], as_json: bool, **given: Any) -> int:
    """Count ROWS (files, folders, runs): sources, languages, turns, lengths in tokens, root verbs and their nouns."""
    from itertools import chain

    from datagen.cli import endings
    from datagen.cli.unreadable import Unreadable
    from datagen.formats.read import read
    from datagen.progress import shown
    from datagen.reading import reading
    from datagen.report.compare import stats

    how, lost = reading(given), Unreadable()
    with shown("stats") as bar:
        several = (read(path, **vars(how)) for path in rows)
        found = stats(bar.counted(lost.noted(chain.from_iterable(several))))
    lost.say()
    if as_json:
        say_json(found)
        return 0
    say(f"{found['rows']:,} rows" + (f", {found['unreadable']:,} unreadable pieces" if found["unreadable"] else ""))
    for name in ("sources", "languages", "turns", "tags", "verbs", "verb_nouns"):
        _counts(name.replace("_", "-"), found[name], found["distinct"].get(name))
    for name in ("task_tokens", "answer_tokens"):
        if spread := found[name]:
            say(f"{name.replace('_', ' '):<16}" + ", ".join(f"{k} {v:,}" for k, v in spread.items()))
    endings.of_stats(rows, found["rows"], how.limit)
    return 0


def _counts(name: str, counts: dict[Any, int], distinct: int | None) -> None:
    """Print the most frequent values of a kind, within 80 columns."""
    import textwrap

    from datagen.visible import in_a_line

    if not counts:
        return
    words = ", ".join(f"{in_a_line(str(value or '')) or '(none)'} {count:,}" for value, count in list(counts.items())[:12])
    more = f" of {distinct:,}" if distinct and distinct > 12 else ""
    text = f"{f'{name}{more} ':<16}{words}"
    say(textwrap.fill(text, 80, subsequent_indent=" " * 16))
