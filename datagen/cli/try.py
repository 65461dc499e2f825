"""`datagen try`."""  # noqa: N999 (a command's module has its name)

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datagen.cli.say import say

if TYPE_CHECKING:
    from pathlib import Path

# The default chain with what a careful user adds: `filter` takes it as it stands.
STAGES = (
    "clean:do=unicode,html,pii",
    "rules:use=empty_answer,template_remnant,cut_ending,refusal,boilerplate,repetition,echo",
    "minhash",
    "rouge",
)
# What the reasons of the ledger say, in the order of the table.
DROPPED = (
    ("rows that came before, word for word", {"exact_duplicate"}),
    ("answers without a word", {"empty_answer"}),
    ("answers that stop in the middle of a sentence", {"cut_ending"}),
    ("answers with marks of a chat template", {"template_remnant"}),
    ("answers that refuse, or speak of being a model", {"refusal", "boilerplate"}),
    ("answers that repeat themselves, or the task", {"repetition", "echo"}),
    ("near copies of an earlier row", {"near_duplicate", "too_similar"}),
    ("rows that hold the question of a benchmark", {"contaminated"}),
)


@click.command("try")
@click.option("-o", "--out", default="runs/try", show_default=True, metavar="OUT", help="Run folder; an earlier run goes on.")
@click.option("--fresh", is_flag=True, help="Compute every stage again.")
@click.option("--json", "as_json", is_flag=True, help="Print run.json on one line instead of the table.")
def command(out: str, fresh: bool, as_json: bool) -> int:
    """Curate 500 rows that come with datagen, in seconds and without a model.

    They are in English, Chinese and Thai, with faults planted in them: copies, addresses, empty and half answers, broken HTML,
    a leaked benchmark item. It ends with the report, and with the command for rows of your own.
    """
    from pathlib import Path

    from datagen import assets
    from datagen import recipe as recipes
    from datagen.cli import terminal
    from datagen.errors import UsageError
    from datagen.options import split_stage

    sample = assets.sample()
    chain = [*STAGES, f"decontaminate:against={sample / 'benchmark.jsonl'}"]
    recipe = recipes.make([dict([split_stage(s)]) for s in chain], input=(str(sample / "rows.jsonl"),))
    if (before := Path(out, "recipe.yaml")).is_file() and recipes.load(before).input != recipe.input:
        raise UsageError(f"{out} holds a run of other rows; give -o a folder of its own")
    code = terminal.run(recipe, out, fresh=fresh, as_json=as_json, following=False)
    if not as_json:
        _tell(Path(out), sample)
    return code


def _tell(out: Path, sample: Path) -> None:
    """Print what was found, where the report is, and what to do next."""
    from datagen.api import opened

    summary = opened(out).summary
    reasons = {reason: count for stage in summary["stages"] for reason, count in stage["dropped"].items()}
    say(f"\nfound in {summary['rows_in']} rows, and dropped:")
    for words, names in DROPPED:
        if count := sum(reasons.get(name, 0) for name in names):
            say(f"{count:>5}  {words}")
    say("found, mended and kept:")
    for words, count in _mended(out, sample).items():
        if count:
            say(f"{count:>5}  {words}")
    say(f"What was planted in them: {sample / 'README.md'}")
    say(f"The report, to open in a browser: {out / 'report.html'}\n")
    say("The same for rows of your own:\n")
    options = "".join(f" \\\n      {_folded(f'--stage {stage}')}" for stage in STAGES)
    say(f"  datagen filter YOUR_FILE.jsonl -o runs/clean{options}\n")
    say("and, where a benchmark will be run: --stage decontaminate:against=BENCHMARK.jsonl")


def _folded(words: str, most: int = 72) -> str:
    """Return an option over several lines of at most so many characters; a shell joins what a backslash ends."""
    cut = words.rfind(",", 0, most) + 1
    return words if len(words) <= most or not cut else f"{words[:cut]}\\\n{_folded(words[cut:], most)}"


def _mended(out: Path, sample: Path) -> dict[str, int]:
    """How many of the rows that stayed `clean` mended of what."""
    from datagen.api import opened
    from datagen.curate.clean import Clean, repaired
    from datagen.data.shards import iterate_rows
    from datagen.formats.read import read

    kept, html = opened(out).kept, Clean(do=("html",))
    moved = {r["old_id"]: r["new_id"] for r in iterate_rows(out / "rewritten")}
    stayed = {*kept.column("id").to_pylist()}
    rows = [
        [str(row[f]) for f in ("instruction", "input", "output")]
        for row in read(str(sample / "rows.jsonl"))
        if moved.get(row["id"], row["id"]) in stayed
    ]
    texts = [
        " ".join(row) for row in zip(*(kept.column(f).to_pylist() for f in ("instruction", "input", "output")), strict=True)
    ]
    return {
        "rows with an e-mail address, now [EMAIL]": sum("[EMAIL]" in text for text in texts),
        "rows with a phone number, now [PHONE]": sum("[PHONE]" in text for text in texts),
        "rows with HTML tags, now plain text": sum(any(html.text(t) != t for t in row) for row in rows),
        "rows with broken characters (ä read as Ã¤), now right": sum(any(repaired(t) != t for t in row) for row in rows),
    }
