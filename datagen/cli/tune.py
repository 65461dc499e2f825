"""`datagen tune`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from datagen.cli import run_flags
from datagen.cli.flags import command as made
from datagen.cli.flags import given
from datagen.cli.say import command_line, say, say_json


def _tune(paths: tuple[str, ...], out: str, **values: Any) -> int:
    from datagen import options as option_fields
    from datagen.progress import Bar
    from datagen.studies.tune_options import TuneOptions
    from datagen.studies.tuning import Search

    as_json = values.pop("as_json")
    options = option_fields.build(TuneOptions, given(values), "tune")
    bar = Bar()
    try:
        told = Search(paths, options, Path(out).expanduser(), bar).result()
    finally:
        bar.close()
    if as_json:
        say_json(told)
    else:
        _show(told, paths)
        say(f"all trials: {Path(out, 'tune.json')}")
    return 0


def _show(told: dict[str, Any], rows: tuple[str, ...]) -> None:
    ended = sum(trial["loss"] is None for trial in told["trials"])
    say(f"{len(told['trials'])} trials on {told['rows']:,} rows, {ended} ended early; judged by {told['tasks']:,} rows")
    for trial in sorted(told["trials"], key=lambda one: (one["loss"] is None, one["loss"])):
        loss = "ended early" if trial["loss"] is None else f"{trial['loss']:.4f}"
        say(f"  {loss:<13}{_words(trial['settings'])}")
    gained, seeds = told["gained"], told["second"]["seeds"]
    say(f"the best, {_words(told['best'])}, against the defaults, {_words(told['defaults'])},")
    say(f"in {len(seeds)} pairs with other seeds:")
    line = f"{gained['value']:+.4f} nats per token less ({gained['low']:+.4f} to {gained['high']:+.4f})"
    say(f"  {line}" if gained["shown"] else f"  not told apart: {line}; these pairs could see {gained['could_see']:.4f}")
    better = told["best"] if gained["shown"] and gained["value"] > 0 else told["defaults"]
    flags = [word for name, value in better.items() for word in (f"--{name.replace('_', '-')}", f"{value:.3g}")]
    say(f"next: {command_line('train', *rows, '-o', 'OUT', *flags)}")


def _words(settings: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value:.3g}" for name, value in settings.items())


def _command() -> click.Command:
    from datagen.studies.tune_options import TuneOptions

    rows = click.Argument(["paths"], nargs=-1, required=True, metavar="ROWS...")
    as_json = click.Option(["--json", "as_json"], is_flag=True, help="Print tune.json on one line.")
    return made("tune", TuneOptions, [rows, run_flags.out(), as_json], _tune)


command = _command()
