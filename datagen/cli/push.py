"""`datagen push`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datagen.cli.say import say
from datagen.errors import UsageError

if TYPE_CHECKING:
    from datagen.hub.staging import Staged


@click.command("push")
@click.argument("run")
@click.argument("repo", metavar="OWNER/NAME")
@click.option(
    "--what", type=click.Choice(["dataset", "adapter", "model"]), help="Default: its adapter or model, else its rows."
)
@click.option("--dry-run", is_flag=True, help="Show the files and the card, and send nothing.")
@click.option("--private", is_flag=True, help="A repository that is made now is seen by its owner alone.")
@click.option("--licence", "--license", "licence", default="", metavar="ID", help="As the hub names it, such as cc-by-4.0.")
@click.option("--dropped", is_flag=True, help="The dropped rows too, with reason and witness, as a config of their own.")
@click.option("--dataset", default="", metavar="OWNER/NAME", help="What a model was trained on; the card links it.")
@click.option("--measured", metavar="RUN", help="A run of datagen eval, whose table goes into a model's card.")
@click.option("--personal-data", is_flag=True, help="Make rows public though personal data was found in them.")
@click.option("--endpoint", metavar="URL", help="Of the hub; default: HF_ENDPOINT, else huggingface.co.")
def command(
    run: str, repo: str, what: str | None, dry_run: bool, private: bool, licence: str, dropped: bool, dataset: str,
    measured: str | None, personal_data: bool, endpoint: str | None,
) -> int:  # fmt: skip
    """Hand the rows, the adapter or the model of RUN on to the Hugging Face hub, with a card that says how it was made.

    It is one commit; `hf auth login` or HF_TOKEN says who you are. Rows of an earlier push that are gone now are deleted
    there. The card names no path of this machine. Without --private everybody can read it.
    """
    from pathlib import Path

    from datagen.hub.staging import staged

    place = None if measured is None else Path(measured).expanduser()
    given = staged(
        Path(run).expanduser(), repo, what, dropped=dropped, licence=licence, dataset=dataset, measured=place  # type: ignore[arg-type]
    )  # fmt: skip
    _show(given, repo, whole=dry_run)
    if dry_run:
        return 0
    if given.personal and not (private or personal_data):
        from datagen.cli.say import command_line
        from datagen.curate.clean import MASKING

        masked = command_line("filter", run, "-o", "OUT", "--stage", MASKING)
        raise UsageError(
            f"{given.personal:,} of the rows hold personal data, which everybody could read: mask it ({masked}), or give"
            " --private or --personal-data"
        )
    from datagen.hub.pushing import push

    say(f"pushed: {push(given, repo, private=private, endpoint=endpoint)}")
    return 0


def _show(given: Staged, repo: str, *, whole: bool) -> None:
    """Say what goes, and with `whole` the files and the card too."""
    say(f"{given.what} {repo}: {len(given.files) + 1} files, {given.size / 1e6:,.1f} MB")
    for line in given.warnings:
        say(f"  note: {line}", err=True)
    if given.personal:
        say(f"  note: personal data was found in {given.personal:,} of the rows", err=True)
    if whole:
        for name, path in given.files.items():
            say(f"  {name}  {path.stat().st_size:,} bytes")
        say(f"  README.md:\n\n{given.card}")
