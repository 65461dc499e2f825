"""`datagen review`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from datagen.cli.say import say, say_json

if TYPE_CHECKING:
    from datagen.data.rows import Row
    from datagen.reviews import Review

KEYS = "a accept   e edit   r reject   n reject with a note   s later   b back   q quit"


@click.command("review")
@click.argument("out", metavar="OUT")
@click.option("--sample", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="Rows to look at.")
@click.option("--source", metavar="NAME", help="Only rows of this source, such as backtranslated in a mixture.")
@click.option("--seed", type=int, default=17, show_default=True, help="Which rows; more of them hold those of fewer.")
@click.option("--csv", "to_csv", metavar="FILE", help="Write the sample to a CSV, to be judged elsewhere; ask nothing.")
@click.option("--from-csv", metavar="FILE", help="Take judgements from such a CSV; ask nothing.")
@click.option("--encoding", metavar="NAME", help="Of that CSV, such as gb18030; default: by its mark, else UTF-8.")
@click.option("--json", "as_json", is_flag=True, help="Print the counts as JSON.")
def command(
    out: str, sample: int, source: str | None, seed: int, to_csv: str | None, from_csv: str | None, encoding: str | None,
    as_json: bool,
) -> int:  # fmt: skip
    """Look at a sample of the kept rows of OUT and accept, edit or reject each with a key.

    Each judgement is on disk when its key is pressed; the next call goes on. OUT/review/kept has the accepted rows and the
    edits, new rows whose `parents` name the old ones; OUT/review/dropped the others. OUT itself is not changed.
    """
    from pathlib import Path

    from datagen.cli import endings
    from datagen.errors import UsageError
    from datagen.progress import shown
    from datagen.review_csv import CELLS
    from datagen.reviews import Review

    if to_csv and from_csv:
        raise UsageError("give --csv or --from-csv, not both")
    if encoding and not from_csv:
        raise UsageError("--encoding is of the file that --from-csv reads; --csv writes UTF-8")
    review = Review(Path(out))
    with shown("sample"):
        rows = review.sample(sample, seed, source)
    if to_csv:
        written = review.export(Path(to_csv), rows)
        say(f"{written.rows:,} rows are in {to_csv}; fill in `decision` and read it with --from-csv")
        if written.too_long:
            say(
                f"rows with a text longer than the {CELLS[0]:,} characters that a cell of Excel holds: {written.too_long:,};"
                " it cuts them: what comes back cut is taken as unchanged, so edit these rows in a text editor", err=True,
            )  # fmt: skip
        endings.then("review", out, "--from-csv", to_csv)
        return 0
    if from_csv:
        taken, ids, notes = review.take(Path(from_csv), encoding or "")
        say(f"{taken:,} judgements taken from {from_csv}", err=True)
        for note in notes:
            say(note, err=True)
    else:
        ids = [row["id"] for row in rows]
        _asked(review, rows)
    return _told(review, ids, as_json=as_json, file=from_csv)


def _asked(review: Review, rows: list[Row]) -> None:
    """Go through the rows that are not judged yet."""
    import sys

    from datagen.errors import UsageError
    from datagen.reviews import Judgement

    if not sys.stdin.isatty():
        raise UsageError("review asks with keys and needs a terminal; --csv FILE and --from-csv FILE work without one")
    judged = review.judged
    left = [row for row in rows if row["id"] not in judged]
    at = 0
    while at < len(left):
        row = left[at]
        _show(row, len(rows) - len(left) + at + 1, len(rows))
        key = click.getchar().lower()
        if key in ("q", "\x1b", "\x04"):
            return
        if key == "a":
            review.judge(Judgement(row["id"], "accept"))
        elif key in ("r", "n"):
            note = click.prompt("why", default="", show_default=False) if key == "n" else ""
            review.judge(Judgement(row["id"], "reject", note))
        elif key == "e":
            if (one := _edited(row)) is None:
                continue
            review.judge(one)
        elif key == "b":
            at = max(0, at - 1)
            continue
        elif key != "s":
            continue
        at += 1


def _show(row: Row, number: int, of: int) -> None:
    import textwrap

    from datagen.reviews import texts_of
    from datagen.visible import in_a_line, visible

    click.clear()
    say(f"{number} of {of}   {row['id'][:12]}   {in_a_line(row['source'])}", bold=True)
    for name, text in texts_of(row):
        say(f"\n{in_a_line(name)}", dim=True)
        for line in visible(str(text)).split("\n"):
            say(textwrap.fill(line, 78, replace_whitespace=False) if line.strip() else "")
    say(f"\n{KEYS}", dim=True)


def _edited(row: Row) -> Any:
    """Return what an editor made of a row, or None where nothing was changed."""
    from datagen.reviews import Judgement

    names = ("instruction", "input", "output")
    lines = {line for name in names for line in row[name].split("\n")}
    sign = "==="
    while any(line.startswith(f"{sign} ") for line in lines):  # a text may hold such a line itself
        sign += "="
    text = "".join(f"{sign} {name}\n{row[name]}\n" for name in names)
    back = click.edit(text, extension=".txt")
    if back is None:
        return None
    found: dict[str, list[str]] = {name: [] for name in names}
    name, marks = "", 0
    for line in back.split("\n"):
        head = line.removeprefix(f"{sign} ")
        if head != line and head.strip() in names:
            name, marks = head.strip(), marks + 1
        elif name:
            found[name].append(line)
    texts = {name: "\n".join(lines).rstrip("\n") for name, lines in found.items()}
    if marks != len(names) or not (texts["instruction"] + texts["input"]).strip():
        return None  # a mark is gone, or nothing is left to be asked: no edit
    if all(texts[name] == row[name].rstrip("\n") for name in names):
        return None
    return Judgement(row["id"], "edit", "", **texts)


def _told(review: Review, ids: list[str], *, as_json: bool, file: str | None) -> int:
    """Write the result and say what it is."""
    import sys

    from datagen.cli import endings
    from datagen.reviews import share

    judged = review.judged
    counts = review.write() if judged else {"accept": 0, "edit": 0, "reject": 0}
    left = sum(one not in judged for one in ids)
    part, low, high = share(counts["accept"], sum(counts.values()))
    if as_json:
        say_json({**counts, "left": left, "accepted_share": part, "low": low, "high": high})
        return 0
    say(
        f"accepted {counts['accept']:,}, edited {counts['edit']:,}, rejected {counts['reject']:,}; {left:,} of this sample left"
    )
    if judged:
        say(f"accepted as they are: {100 * part:.0f} % (95 % interval {100 * low:.0f} to {100 * high:.0f})")
        endings.made(rows=review.folder / "kept", rejected=review.folder / "dropped")
    if left and file:
        say(f"fill in `decision` of the rows left in {file}, and give this command again")
    elif left:
        endings.then(*sys.argv[1:])
    if (file or not left) and counts["accept"] + counts["edit"]:
        endings.then("train", str(review.folder / "kept"), "-o", endings.beside(str(review.out), "trained"))
    return 0
