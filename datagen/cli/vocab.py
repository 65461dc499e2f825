"""`datagen vocab`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datagen.cli.say import say, say_json

if TYPE_CHECKING:
    from datagen.training.vocabulary import Grown


@click.command("vocab")
@click.argument("corpus", nargs=-1, required=True)
@click.option("-o", "--out", required=True, metavar="DIR", help="Folder for the model and its tokenizer; it must be new.")
@click.option("--model", default="smollm2", show_default=True, help="smollm2, a folder or a Hub id.")
@click.option("--size", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="New tokens, at most.")
@click.option(
    "--init",
    type=click.Choice(["mean", "random"]),
    default="mean",
    show_default=True,
    help="New rows of the embeddings: the mean of the tokens that a text was cut into before, or random.",
)
@click.option("--ascii", "ascii_too", is_flag=True, help="Also for a language in plain Latin letters; English is cut anew.")
@click.option("--seed", type=int, default=17, show_default=True, help="Of random rows.")
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON on one line.")
def command(corpus: tuple[str, ...], out: str, as_json: bool, **options: object) -> int:
    """Grow the vocabulary of a model for the language of CORPUS: documents as text, Markdown, HTML, JSON lines or Parquet.

    The merges that its tokenizer has stay as they are, and so do its ids. Then: `datagen train CORPUS --objective lm --map
    output=text --model DIR`.
    """
    import dataclasses

    from datagen.training.vocabulary import grow

    found = grow(corpus, out, **options)  # type: ignore[arg-type]
    if as_json:
        say_json({**dataclasses.asdict(found), "folder": out})
    else:
        _show(found, out)
    return 0


def _show(found: Grown, out: str) -> None:
    """Print what was found."""
    measured = f"{found.measured:,} others, {found.characters:,} characters"
    say(f"{found.tokens:,} new tokens of {found.documents:,} documents{f'; on {measured}:' if found.measured else ''}")
    if found.unread:
        say("  could not be read: " + ", ".join(f"{problem} {n:,}" for problem, n in found.unread.items()))
    if not found.measured:
        say("  nothing was measured: there are fewer than 20 documents")
    for name, tokens in (("before", found.before), ("after", found.after)) if found.measured else ():
        say(f"  {name:<8}{tokens:>12,} tokens  {tokens / max(1, found.characters):.3f} per character")
    odd = {"cannot be reached": found.unreachable, "do not come back the same": found.not_round}
    odd["words of plain ASCII are cut otherwise"] = found.changed_ascii
    for what, count in odd.items():
        say(f"  {count:,} {what}")
    say(f"{out} has the model; next: datagen train CORPUS --objective lm --map output=text --model {out} -o OUT")
