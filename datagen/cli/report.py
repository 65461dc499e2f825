"""`datagen report`."""

from __future__ import annotations

import click


@click.command("report")
@click.argument("out")
def command(out: str) -> int:
    """Write OUT/report.html of a finished run again."""
    from pathlib import Path

    from datagen.api import opened
    from datagen.report.page import write_report

    click.echo(str(write_report(Path(out), opened(out).summary)))
    return 0
