"""`datagen demo`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datagen.cli.say import say

if TYPE_CHECKING:
    from datagen.demo import Size


@click.command("demo")
@click.option("-o", "--out", default="runs/quickstart", metavar="OUT", help="Run folder; an earlier demo in it goes on.")
@click.option("--minutes", type=click.FloatRange(0.5, 600), help="About how long it may take. Default 4.")
@click.option("--full", is_flag=True, help="The full size, however long it takes.")
@click.option("--fresh", is_flag=True, help="Compute every step again (recorded model answers stay).")
def command(out: str, minutes: float | None, full: bool, fresh: bool) -> int:
    """Walk the whole road on the embedded models: make tasks, curate, mix, train an adapter, report.

    The machine is measured for some seconds and a size that fits is taken. The same command again goes on, or does nothing.
    """
    from pathlib import Path

    from datagen import demo
    from datagen.cli import terminal
    from datagen.errors import UsageError
    from datagen.progress import Bar

    if full and minutes is not None:
        raise UsageError("--full takes as long as it takes; leave out --minutes, or --full")
    if minutes is not None and minutes != minutes:
        raise UsageError("--minutes: nan is no number of minutes")
    begun = demo.begun(Path(out))
    if full:
        return terminal.run(demo.recipe(demo.full_size()), out, fresh=fresh)
    if begun:
        say(f"{out} holds a demo: it goes on at its size, whatever --minutes says; --full, or another -o, begins anew")
        return terminal.run(begun, out, fresh=fresh)
    bar = Bar()
    try:
        speed = demo.measured(bar)
    finally:
        bar.close()
    seconds = 60 * (demo.MINUTES if minutes is None else minutes)
    chosen, whole = demo.size(speed, seconds), demo.full_size().taking(speed)
    say(f"this machine writes {speed.written:.0f} tokens a second and trains on {speed.trained:.0f}")
    say(f"taken: {_told(chosen)}" + (", the smallest there is" if chosen.seconds > seconds else ""))
    if chosen.n < whole.n:
        say(f"full size (--full): {_told(whole)}")
    return terminal.run(demo.recipe(chosen), out, fresh=fresh)


def _told(size: Size) -> str:
    return f"{size.n} tasks and {size.steps} steps of {size.batch_size} rows, about {max(1, round(size.seconds / 60))} min"
