"""`datagen diff`."""

from __future__ import annotations

import click

from datagen.cli.say import say, say_json


@click.command("diff")
@click.argument("run_a")
@click.argument("run_b")
@click.option("--json", "as_json", is_flag=True, help="Print the comparison as JSON.")
def command(run_a: str, run_b: str, as_json: bool) -> int:
    """Compare what two runs kept: how many rows only one of them has, and why the other has not."""
    from pathlib import Path

    from datagen.cli import endings
    from datagen.data.shards import read_json
    from datagen.progress import shown
    from datagen.report.compare import diff
    from datagen.visible import in_a_line

    with shown("diff"):
        found = diff(Path(run_a), Path(run_b))
    if as_json:
        say_json(found)
        return 0
    say(f"{found['both']:,} rows kept by both")
    example: tuple[str, str] | None = None
    for mine, other, run, rest in (("a", "b", run_a, run_b), ("b", "a", run_b, run_a)):
        say(f"{found[f'only_{mine}']:,} only by {run}" + (f"; in {rest}:" if found[f"only_{mine}"] else ""))
        for reason, count in found[f"why_not_in_{other}"].items():
            say(f"  {count:>9,}  {in_a_line(reason)}")
        if examples := found[f"examples_{mine}"]:
            there = rest if set(found[f"why_not_in_{other}"]) != {"not in its input"} else run
            say(f"  such as {', '.join(i[:12] for i in examples[:4])}")
            example = example or (there, examples[0][:12])
    if example:
        endings.then("explain", *example)
    elif found["both"] and (stages := (read_json(Path(run_b, "run.json")) or {}).get("stages")):
        endings.after(run_b, stages[-1])
    return 0
