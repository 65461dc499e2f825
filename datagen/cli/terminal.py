"""What the terminal shows: progress on stderr while a run is at work, a table on stdout when it is done."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tqdm import tqdm

    from datagen.recipe import Recipe


class Bar:
    """A run's progress as one tqdm line per step, on a terminal only."""

    def __init__(self) -> None:
        """Show nothing yet."""
        self._bar: tqdm[Any] | None = None

    def step(self, name: str, total: int | None, unit: str) -> None:
        """Begin a step's line."""
        from tqdm import tqdm

        self.close()
        quiet = not sys.stderr.isatty()
        self._bar = tqdm(total=total, desc=f"{name:<14}", unit=f" {unit}", disable=quiet, file=sys.stderr, dynamic_ncols=True)

    def at(self, done: int, note: str = "") -> None:
        """Move the line to `done`."""
        if self._bar is not None:
            if note:
                self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(done - self._bar.n)

    def close(self) -> None:
        """End the line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def run(recipe: Recipe, out: str, *, fresh: bool = False, offline: bool = False, as_json: bool = False) -> int:
    """Execute a recipe, show its progress and its table.

    Return the exit code: 3 when rows broke a stage, that of the error where a generator stopped before its aim.
    """
    from datagen.run import execute

    result = execute(recipe, Path(out), fresh=fresh, offline=offline, progress=Bar())
    if as_json:
        click.echo(json.dumps({**result.summary, "folder": out, "worked": result.worked}, ensure_ascii=False))
    else:
        show(result.summary)
        if not result.worked:
            click.echo(f"nothing to do: {out} is complete (--fresh computes it again)")
        if result.replaced:
            click.echo(f"{out} held a finished result of other input or options; it was replaced")
        click.echo(f"rows: {Path(out, 'kept')}   drops: {Path(out, 'dropped')}   report: {Path(out, 'report.html')}")
        if example := _a_dropped_id(Path(out)):
            click.echo(f"why a row went: datagen explain {out} {example[:12]}")
    if result.errors:
        click.echo(f"datagen: {result.errors} rows broke a stage; dropped/ has them with the reason 'error'", err=True)
        return 3
    if (stopped := result.stopped) and not offline:
        click.echo(f"datagen: {stopped['message']}; {_all_saved(result.summary, out)}", err=True)
        return int(stopped["exit_code"])
    if stopped and not as_json:
        click.echo(f"{stopped['message']}; the command that made it goes on from there")
    return 0


def _all_saved(summary: dict[str, Any], out: str) -> str:
    """What an early stop leaves, and the command that goes on."""
    step = summary["stages"][-1]
    told = f"{step['rows_kept']:,} of {step['options']['n']:,} rows are in {out}/kept"
    message, words = step["stopped"]["message"], sys.argv[1:]
    if message.startswith("the last "):  # a stall: the same command would stop again
        return told
    for option, reached in (("--budget-usd", "the budget of"), ("--max-requests", "the limit of")):
        if message.startswith(reached):
            words = _doubled(words, option)
    return f"{told}; go on with: {shlex.join(['datagen', *words])}"


def _doubled(words: list[str], option: str) -> list[str]:
    """Return a command with the value of a cap doubled, as `--cap X` or `--cap=X`; of a recipe's the name alone is said."""
    for at, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name == option:
            here = at if equals else at + 1
            number = float(value if equals else words[here])
            twice = f"{2 * number:.0f}" if option == "--max-requests" else f"{2 * number:g}"
            return [*words[:here], f"{option}={twice}" if equals else twice, *words[here + 1 :]]
    return words


def estimate(recipe: Recipe, out: str, probes: int, *, as_json: bool = False) -> int:
    """Send the first requests of a generator's run and say what the whole of it would take."""
    from datagen.run import estimate as quoted

    found = quoted(recipe, Path(out), probes)
    if as_json:
        click.echo(json.dumps({**found, "folder": out}))
        return 0
    spent = f", ${found['spent_usd']:.4f}" if found["usd"] is not None else ""
    click.echo(f"{found['probes']} requests kept {found['kept']} rows ({found['sent']} sent now{spent}; all in the journal)")
    if not found["kept"]:
        click.echo("no row was kept, so nothing can be said; --probes 32 sends more requests")
        return 0
    click.echo(f"{found['rows']:,} rows take, with 95 % intervals:")
    for name, unit in (("requests", ""), ("tokens", ""), ("usd", "$"), ("seconds", "")):
        if found[name] is None:
            why = "no price is known; --price-in, --price-out" if name == "usd" else "all of it was recorded before"
            click.echo(f"  {name:<9} unknown ({why})")
            continue
        middle, low, high = (f"{unit}{v:,.4f}" if unit else f"{v:,.0f}" for v in found[name])
        click.echo(f"  {name:<9}{middle:>14}   {low} to {high}")
    click.echo("A pool that grows keeps less of each request: the later rows of a large run cost more than the first.")
    return 0


def _a_dropped_id(folder: Path) -> str | None:
    """The id of the last dropped row, which is most likely one that a stage judged; None when all were kept."""
    import pyarrow.parquet as pq

    from datagen.shards import shard_paths

    shards = shard_paths(folder / "dropped")
    ids = pq.read_table(shards[-1], columns=["id"]).column("id") if shards else []
    return str(ids[-1]) if len(ids) else None


def show(summary: dict[str, Any]) -> None:
    """Print the table of a run: rows in, kept and dropped per stage, 80 columns wide."""
    wide = max([14, *(len(s["name"]) for s in summary["stages"])]) + 2
    click.echo(f"{'stage':<{wide}}{'in':>9}{'kept':>9}{'dropped':>9}{'seconds':>9}  reasons")
    for stage in summary["stages"]:
        reasons = [f"{reason} {count:,}" for reason, count in stage["dropped"].items()]
        lost = stage["rows_in"] - stage["rows_kept"]
        head = f"{stage['name']:<{wide}}{stage['rows_in']:>9,}{stage['rows_kept']:>9,}{lost:>9,}{stage['seconds']:>9.1f}  "
        click.echo(head + (reasons[0] if reasons else ""))
        for reason in reasons[1:]:
            click.echo(" " * len(head) + reason)
        for line in _notes(stage):
            click.echo(f"  {line}")
    lost = summary["rows_in"] - summary["rows_kept"]
    click.echo(f"{'all':<{wide}}{summary['rows_in']:>9,}{summary['rows_kept']:>9,}{lost:>9,}{summary['seconds']:>9.1f}")


def _notes(stage: dict[str, Any]) -> list[str]:
    """What a step says beside its counts: the mixture's epochs, the loss, the requests."""
    notes = []
    for name, source in stage.get("sources", {}).items():
        notes.append(
            f"{name}: {source['taken']:,} from {source['rows']:,} rows ({source['epochs']:.2f} epochs),"
            f" share {source['share']:.3f}"
        )
    if training := stage.get("training"):
        notes.append(
            f"loss {training['first_loss']:.3f} -> {training['last_loss']:.3f} in {training['steps']} steps,"
            f" {training['dtype']}"
        )
        if (before := training["eval_before"]) and (after := training["eval_after"]):
            notes.append(f"held-out loss {before['loss']:.4f} -> {after['loss']:.4f}")
    if requests := stage.get("requests"):
        notes += _of_generation(stage, requests)
    return notes


def _of_generation(stage: dict[str, Any], requests: dict[str, int]) -> list[str]:
    """The funnel of a generation: requests, items, rows kept; what they used and cost."""
    notes = [
        f"{requests['judged']:,} requests -> {stage['rows_in']:,} items -> {stage['rows_kept']:,} kept;"
        f" {requests['sent']:,} sent now, {requests['recorded']:,} answers recorded"
    ]
    if requests["cut_off"] or requests["given_up"]:
        notes.append(f"{requests['given_up']:,} requests given up, {requests['cut_off']:,} attempts cut off")
    used = stage["usage"]
    cost = ""
    if stage["cost"]:
        held = f" + ${stage['cost']['held_usd']:.4f} held" if stage["cost"]["held_usd"] else ""
        cost = f"; ${stage['cost']['usd']:.4f}{held}, ${stage['cost']['usd_per_kept_row']:.6f} per row"
    notes.append(
        f"{used['input_tokens']:,} tokens in, {used['output_tokens']:,} out, {used['tokens_per_kept_row']:,.0f} per row{cost}"
    )
    return notes


def pairs(values: tuple[str, ...] | str | None, option: str) -> dict[str, str]:
    """Read `a=1,b=2` to a map; raises UsageError for a piece without `=`."""
    from datagen.errors import UsageError

    found: dict[str, str] = {}
    for piece in [] if not values else values.split(",") if isinstance(values, str) else values:
        name, equals, value = piece.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"{option}: '{piece}' is not name=value")
        if name.strip() in found:
            raise UsageError(f"{option}: '{name.strip()}' stands twice")
        found[name.strip()] = value.strip()
    return found
