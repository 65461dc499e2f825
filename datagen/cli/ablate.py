"""`datagen ablate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from datagen.cli import run_flags
from datagen.cli.flags import command as made
from datagen.cli.flags import given
from datagen.cli.say import say, say_json


def _ablate(recipe: str, out: str, **values: Any) -> int:
    from datagen import options as option_fields
    from datagen.progress import Bar
    from datagen.recipe import load
    from datagen.studies.ablate_options import AblateOptions
    from datagen.studies.ablation import Study

    as_json, allow_wipeout = values.pop("as_json"), values.pop("allow_wipeout")
    options = option_fields.build(AblateOptions, given(values), "ablate")
    bar = Bar()
    try:
        study = Study(load(Path(recipe)), options, Path(out).expanduser(), bar, allow_wipeout=allow_wipeout)
        told = study.result()
    finally:
        bar.close()
    if as_json:
        say_json(told)
    else:
        _show(told)
        say(f"all runs: {Path(out, 'ablation.json')}")
    return 0


def _show(told: dict[str, Any]) -> None:
    """Say what each stage bought, or what this budget could have seen."""
    whole = told["arms"]["whole"]
    say(
        f"{len(told['seeds'])} runs of each arm, {whole['rows']:,} rows in {told['steps']:,} steps, measured on"
        f" {told['tasks']:,} rows; intervals hold together (95 %)"
    )
    say(f"{'arm':<24}{'kept':>8}{'other rows':>12}{'loss':>9}")
    for name, arm in told["arms"].items():
        say(f"{name:<24}{arm['kept']:>8,}{arm['other_rows']:>12,.0f}{arm['loss']:>9.4f}")
    for one in told["effects"]:
        name = f"the stage {one['stage']}" if one["stage"] else "the recipe, beside random rows of equal length,"
        unit = "nats per token" if one["measure"] == "loss" else "right answers"
        say(f"{name}: {_verdict(one, unit)}")


def _verdict(one: dict[str, Any], unit: str) -> str:
    if not one["shown"]:
        seen = f"this budget could see {_number(one['could_see'])}" if one["could_see"] else "all runs are the same"
        return f"not shown in {unit} ({_number(one['bought'])}, {_number(one['low'])} to {_number(one['high'])}); {seen}"
    word = "bought" if one["bought"] > 0 else "cost"
    low, high = sorted((abs(one["low"]), abs(one["high"])))
    return f"{word} {_number(abs(one['bought']))} {unit} ({_number(low)} to {_number(high)})"


def _number(value: float) -> str:
    return f"{value:.4f}"


def _command() -> click.Command:
    from datagen.studies.ablate_options import AblateOptions

    recipe = click.Argument(["recipe"])
    wipeout = click.Option(["--allow-wipeout"], is_flag=True, help="Let a stage drop most of a source, language or tag.")
    as_json = click.Option(["--json", "as_json"], is_flag=True, help="Print ablation.json on one line.")
    return made("ablate", AblateOptions, [recipe, run_flags.out(), wipeout, as_json], _ablate)


command = _command()
