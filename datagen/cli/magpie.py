"""`datagen magpie`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli.model_options import GENERATOR, MODEL, MONEY, RUN, execute, options


@click.command("magpie")
@click.option("-n", "n", type=int, required=True, metavar="N", help="Rows to keep.")
@click.option("-o", "--out", required=True, metavar="OUT", help="Run folder; an earlier run in it goes on.")
@click.option("--template", help="chatml, llama3, llama2, mistral, gemma, phi3, deepseek, or a folder. Default: by the model.")
@click.option("--system", help="on, off or auto (default): a system message that sets language and topic.")
@click.option("--stop", multiple=True, metavar="TEXT", help="One more mark that ends a task; may repeat.")
@click.option("--first-line", is_flag=True, default=None, help="End a task at its first line break.")
@click.option("--max-task-tokens", type=int, help="Of a task. Default 256.")
@options(GENERATOR, MODEL, MONEY, RUN)
def command(out: str, estimate: bool, probes: int, fresh: bool, as_json: bool, stop: tuple[str, ...], **given: Any) -> int:
    """Make exactly N rows from the bare user turn of an aligned model.

    The model gets only what its chat template writes before a user's words, writes them itself, and answers them. The endpoint
    must offer raw completions; `datagen doctor` says whether it does.
    """
    given["stop"] = list(stop) or None
    return execute("magpie", out, given, estimate=estimate, probes=probes, fresh=fresh, as_json=as_json)
