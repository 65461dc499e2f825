"""What the terminal shows: progress on stderr while a run is at work, a table on stdout when it is done."""

from __future__ import annotations

import json
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


def run(recipe: Recipe, out: str, *, fresh: bool = False, as_json: bool = False) -> int:
    """Execute a recipe, show its progress and its table; return the exit code (3 when rows broke a stage)."""
    from datagen.run import execute

    result = execute(recipe, Path(out), fresh=fresh, progress=Bar())
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
        notes.append(f"{requests['sent']:,} requests sent, {requests['recorded']:,} answers in the journal")
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
