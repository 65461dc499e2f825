"""What the terminal shows of a run: progress on stderr while it is at work, a table on stdout when it is done."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datagen.cli.measured import of_evaluation
from datagen.cli.notes import notes_of
from datagen.cli.say import command_line, say, say_json
from datagen.cli.signals import exit_code

if TYPE_CHECKING:
    from datagen.recipe import Recipe
    from datagen.runner import Result


def run(
    recipe: Recipe, out: str, *, fresh: bool = False, offline: bool = False, as_json: bool = False, allow_wipeout: bool = False,
    curve: bool | None = None, following: bool = True,
) -> int:  # fmt: skip
    """Execute a recipe, show its progress and its table and, where it is asked, what it made and what comes next.

    Return the exit code: 3 when rows broke a stage, that of the error where a generator stopped before its aim.
    """
    from datagen.cli import endings

    result = _executed(recipe, out, fresh=fresh, offline=offline, allow_wipeout=allow_wipeout, curve=curve)
    if as_json:
        say_json({**result.summary, "folder": out, "worked": result.worked})
    else:
        show(result.summary)
        if not result.worked:
            say(f"nothing to do: {out} is complete (--fresh computes it again)")
        if result.replaced:
            say(f"{out} held a finished result of other input or options; it was replaced")
        if following:
            endings.of_run(out, result.summary)
    if result.errors:
        say(f"datagen: {result.errors} rows broke a stage; dropped/ has them with the reason 'error'", err=True)
        return 3
    if (stopped := result.stopped) and not offline:
        say(f"datagen: {stopped['message']}; {_all_saved(result.summary, out)}", err=True)
        return int(stopped["exit_code"])
    if stopped and not as_json:
        say(f"{stopped['message']}; the command that made it goes on from there")
    return 0


def _executed(recipe: Recipe, out: str, **how: Any) -> Result:
    """Execute a recipe; what a budget or Ctrl+C ends says where it stands and how it goes on."""
    from datagen.errors import BudgetError, Stopped
    from datagen.progress import Bar
    from datagen.runner import execute

    bar = Bar()
    try:
        return execute(recipe, Path(out), progress=bar, **how)
    except BudgetError as e:
        if str(e).startswith(STOPS_AGAIN):
            raise
        raise BudgetError(f"{e}; go on with: {command_line(*_raised(str(e)))}") from None
    except KeyboardInterrupt as e:
        if bar.kept is None or isinstance(e, Stopped):
            raise
        same = "the same command without --fresh" if how.get("fresh") else "the same command"
        if not recipe.steps[0].options.goes_on:
            say(f"datagen: stopped ({bar.note}); everything finished so far is saved, {same} goes on", err=True)
            sys.exit(exit_code())
        say(
            f"datagen: stopped at {bar.kept:,} of {bar.total:,} rows ({bar.note}); every answer is saved: {same} goes"
            f" on, and `{command_line('reparse', out)}` writes the rows so far", err=True,
        )  # fmt: skip
        sys.exit(exit_code())


# How a message begins after which the same command would stop again: a stall, and an endpoint that bills too much.
STOPS_AGAIN = ("the last ", "the endpoint bills more")


def _all_saved(summary: dict[str, Any], out: str) -> str:
    """What an early stop leaves, and the command that goes on."""
    step = summary["stages"][-1]
    late = step["dropped"].get("not_reached", 0)
    told = f"{step['rows_kept']:,} rows are in {out}/kept{f', and {late:,} were not reached' if late else ''}"
    if "n" in step["options"]:
        told = f"{step['rows_kept']:,} of {step['options']['n']:,} rows are in {out}/kept"
    message = step["stopped"]["message"]
    if message.startswith(STOPS_AGAIN):
        return told
    return f"{told}; go on with: {command_line(*_raised(message))}"


def _raised(message: str) -> list[str]:
    """The command, with the cap that a message names doubled."""
    words = sys.argv[1:]
    for option, reached in (("--budget-usd", "the budget of"), ("--max-requests", "the limit of")):
        if message.startswith(reached):
            words = _doubled(words, option)
    return words


def _doubled(words: list[str], option: str) -> list[str]:
    """Return a command with the value of a cap doubled: `--cap X`, `--cap=X`, or `cap=X` among a stage's options."""
    among = re.compile(rf"(?<![a-z_]){option.removeprefix('--').replace('-', '_')}=(\d+(?:\.\d+)?)")
    for at, word in enumerate(words):
        if found := among.search(word):
            twice = f"{word[: found.start(1)]}{2 * float(found[1]):g}{word[found.end(1) :]}"
            return [*words[:at], twice, *words[at + 1 :]]
        name, equals, value = word.partition("=")
        if name == option:
            here = at if equals else at + 1
            number = float(value if equals else words[here])
            twice = f"{2 * number:.0f}" if option == "--max-requests" else f"{2 * number:g}"
            return [*words[:here], f"{option}={twice}" if equals else twice, *words[here + 1 :]]
    return words


def estimate(recipe: Recipe, out: str, probes: int, *, as_json: bool = False) -> int:
    """Send a few requests of a run and say what the whole of it would take."""
    from datagen.cli import endings
    from datagen.progress import Bar
    from datagen.runner import estimate as quoted

    found = quoted(recipe, Path(out), probes, Bar())
    if as_json:
        say_json({**found, "folder": out})
        return 0
    spent = f", ${found['spent_usd']:.4f}" if found["usd"] is not None else ""
    of_rows = "asked_about" in found
    what = f"{found['probes']:,} rows asked about, {found['kept']:,} rows came" if of_rows else (
        f"{found['probes']} requests kept {found['kept']} rows"
    )  # fmt: skip
    say(f"{what} ({found['sent']} sent now{spent}; all in the journal)")
    if not found["kept"] and not of_rows:
        say("no row was kept, so nothing can be said; --probes 32 sends more requests")
        return 0
    say(f"{found['rows']:,} rows take, with 95 % intervals:")
    for name, unit in (("requests", ""), ("tokens", ""), ("usd", "$"), ("seconds", "")):
        if found[name] is None:
            why = "no answer came online now"
            if name != "seconds":
                why = (
                    "the endpoint does not report its usage"
                    if found["usage_unknown"]
                    else "no price is known; --price-in, --price-out"
                )
            say(f"  {name:<9} unknown ({why})")
            continue
        middle, low, high = (f"{unit}{v:,.4f}" if unit else f"{v:,.0f}" for v in found[name])
        say(f"  {name:<9}{middle:>14}   {low} to {high}")
    if found.get("not_counted"):
        say(f"not counted, for they ask no endpoint: {', '.join(found['not_counted'])}")
    if found.get("not_reached"):
        say(f"not counted, for none of these rows came so far: {', '.join(found['not_reached'])}; try more --probes")
    if not of_rows:
        say("A pool that grows keeps less of each request: the later rows of a large run cost more than the first.")
    endings.then(*endings.without(["--probes"], ["--estimate"]))
    return 0


def show(summary: dict[str, Any]) -> None:
    """Print the table of a run: rows in, kept and dropped per stage, 80 columns wide."""
    from datagen.visible import in_a_line

    wide = max([14, *(len(s["name"]) for s in summary["stages"])]) + 2
    say(f"{'stage':<{wide}}{'in':>9}{'kept':>9}{'dropped':>9}{'seconds':>9}  reasons")
    for stage in summary["stages"]:
        reasons = [f"{reason} {count:,}" for reason, count in stage["dropped"].items()]
        lost = stage["rows_in"] - stage["rows_kept"]
        head = f"{stage['name']:<{wide}}{stage['rows_in']:>9,}{stage['rows_kept']:>9,}{lost:>9,}{stage['seconds']:>9.1f}  "
        say(head + (reasons[0] if reasons else ""))
        for reason in reasons[1:]:
            say(" " * len(head) + reason)
        for line in notes_of(stage):
            say(f"  {in_a_line(line)}")
        for line in of_evaluation(stage.get("evaluation")):
            say(f"  {line}")
    lost = summary["rows_in"] - summary["rows_kept"]
    say(f"{'all':<{wide}}{summary['rows_in']:>9,}{summary['rows_kept']:>9,}{lost:>9,}{summary['seconds']:>9.1f}")
