"""`datagen self-instruct`."""

from __future__ import annotations

from typing import Any

import click


@click.command("self-instruct")
@click.option("-n", "n", type=int, required=True, metavar="N", help="Rows to keep.")
@click.option("-o", "--out", required=True, metavar="OUT", help="Run folder; an earlier run in it goes on.")
@click.option("--model", help="smollm2 (embedded, default), a local folder, or a model of the endpoint.")
@click.option("--base-url", metavar="URL", help="An OpenAI-compatible endpoint; also OPENAI_BASE_URL. The key: OPENAI_API_KEY.")
@click.option("--method", help="one (a task per request, local models) or alpaca (several per completion). Default: by model.")
@click.option("--seeds", metavar="PATH", help="Seed tasks; default: those that come with datagen.")
@click.option("--language", help="en (default), zh or th: of the prompt and the seed tasks.")
@click.option("--threshold", type=float, help="ROUGE-L F1 above which a task is not new. Default 0.7.")
@click.option("--temperature", type=float, help="Of the tasks. Default 0.9.")
@click.option("--concurrency", type=int, help="Requests in flight. Default 16.")
@click.option("--seed", type=int, help="Which seed tasks a prompt shows. Default 17.")
@click.option("--fresh", is_flag=True, help="Make the rows again from the recorded answers.")
@click.option("--json", "as_json", is_flag=True, help="Print run.json on one line instead of the table.")
def command(out: str, fresh: bool, as_json: bool, **options: Any) -> int:
    """Make exactly N new rows from seed tasks with a model.

    Every answer is on disk in OUT/journal.sqlite before it is read; the same command again buys none of them twice.
    """
    from datagen.cli import terminal
    from datagen.recipe import make

    given = {k: v for k, v in options.items() if v is not None}
    return terminal.run(make([{"self_instruct": given}]), out, fresh=fresh, as_json=as_json)
