"""`datagen report`."""

from __future__ import annotations

import click


@click.command("report")
@click.argument("out")
def command(out: str) -> int:
    """Write OUT/report.html of a finished run again."""
    from pathlib import Path

    from datagen.api import opened
    from datagen.cli import endings
    from datagen.progress import shown
    from datagen.report.page import write_report

    summary = opened(out).summary
    with shown("report"):
        page = write_report(Path(out), summary)
    endings.made(report=page)
    if summary["rows_kept"] and summary["stages"]:
        endings.after(out, summary["stages"][-1])
    return 0
