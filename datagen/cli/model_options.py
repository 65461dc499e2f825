"""The options that every command which asks a model shares, as click options; off = a model's or a method's own default."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import click

from datagen.cli.input_options import INPUT
from datagen.cli.say import say

Command = Callable[..., Any]

MODEL = [
    click.option("--model", help="smollm2 (embedded, default), a local folder, FILE.gguf, or a model of the endpoint."),
    click.option("--base-url", metavar="URL", help="An OpenAI-compatible endpoint; also OPENAI_BASE_URL. Key: OPENAI_API_KEY."),
    click.option("--temperature", metavar="T", help="0..2, or off: the endpoint's default."),
    click.option("--top-p", metavar="P", help="0..1. Default: the endpoint's."),
    click.option("--extra-body", metavar="JSON", help='More parameters of a request, such as {"top_k": 20}.'),
    click.option("--max-output-tokens", type=int, help="Of one completion, reasoning included. Default 3072."),
    click.option("--concurrency", type=int, help="Requests in flight. Default 16."),
    click.option("--rpm", type=float, help="Requests per minute. Default: no limit."),
    click.option("--tpm", type=int, help="Tokens per minute, in and out. Default: no limit."),
    click.option("--via", help="online (default), or batch: the endpoint's Batch API, cheaper and within a day."),
    click.option("--timeout-s", type=float, help="Of one attempt. Default 300."),
    click.option("--max-answer-mb", type=float, metavar="MB", help="Size of one answer; a larger one fails. Default 64."),
]
MONEY = [
    click.option("--budget-usd", type=float, metavar="USD", help="Hard cap over the whole life of OUT; exit code 5."),
    click.option("--max-requests", type=int, help="Hard cap on requests sent, over the whole life of OUT; exit code 5."),
    click.option("--price-in", type=float, metavar="USD", help="Per million input tokens. Default: genai-prices."),
    click.option("--price-out", type=float, metavar="USD", help="Per million output tokens."),
    click.option("--retry-failed", is_flag=True, default=None, help="Ask again what an earlier run gave up."),
]
GENERATOR = [
    click.option("--language", help="en (default), zh or th: of prompts, seed tasks and results."),
    click.option("--seeds", metavar="PATH", help="Seed tasks; default: those that come with datagen."),
    click.option("--topics", metavar="FILE", help="Topics that requests go through; default: a taxonomy that comes along."),
    click.option("--subtopics", type=int, metavar="K", help="Sub-topics that the model names for each topic without one."),
    click.option("--threshold", type=float, help="ROUGE-L F1 above which a task is not new. Default 0.7."),
    click.option("--rules", metavar="NAMES", help="length,punctuation (default), keywords, program, ascii; alpaca; off."),
    click.option("--answer-temperature", metavar="T", help="Where an answer is asked for by itself. Default 0.3."),
    click.option("--window", type=int, help="How far back a request sees the kept rows. Default 16."),
    click.option("--stall", type=int, help="Requests in a row that keep nothing before it stops. Default 100."),
    click.option("--seed", type=int, help="Which examples a prompt shows. Default 17."),
]
QUOTE = [
    click.option("--estimate", is_flag=True, help="Ask about --probes rows, quote cost and time for all; nothing else."),
    click.option("--probes", type=click.IntRange(2, 10_000), default=8, show_default=True, help="Rows of --estimate."),
]
TEACH = [
    click.option("--language", help="Of the prompts: en, zh, th, or auto (default): each row's own."),
    click.option("--stall", type=int, help="Rows in a row that the model is asked about in vain before it stops. Default 100."),
    click.option("--prompts", metavar="DIR", help="A folder whose NAME.LANGUAGE.jinja take the place of the prompts here."),
    click.option("--map", "mapping", metavar="OURS=THEIRS,...", help="Field names, such as instruction=question."),
    click.option("--roles", metavar="THEIRS=OURS,...", help="Names of roles, such as agent=assistant."),
    *INPUT,
    click.option("--limit", type=click.IntRange(1, 2**31), help="Read only so many rows."),
    click.option("--fresh", is_flag=True, help="Make the rows again from the recorded answers."),
    click.option("--json", "as_json", is_flag=True, help="Print run.json on one line instead of the table."),
]
RUN = [
    click.option("--estimate", is_flag=True, help="Send --probes requests, quote cost, time and rows; nothing else."),
    click.option("--probes", type=click.IntRange(2, 10_000), default=8, show_default=True, help="Requests of --estimate."),
    click.option("--fresh", is_flag=True, help="Make the rows again from the recorded answers."),
    click.option("--json", "as_json", is_flag=True, help="Print run.json on one line instead of the table."),
]


def options(*groups: Sequence[Callable[[Any], Any]]) -> Callable[[Command], Command]:
    """Return a decorator that adds groups of options to a command, in their order."""

    def added(command: Command) -> Command:
        for option in reversed([option for group in groups for option in group]):
            command = option(command)
        return command

    return added


def teach(kind: str, rows: Sequence[str], out: str, given: dict[str, Any]) -> int:
    """Run a teacher over rows; `given` holds its options and those of TEACH. Return the exit code."""
    return run_steps(rows, out, given, lambda own: [{kind: own}])


def run_steps(rows: Sequence[str], out: str, given: dict[str, Any], steps: Callable[[dict[str, Any]], list[Any]]) -> int:
    """Run steps over rows, or quote them; they are made of the options that are neither of QUOTE, nor TEACH, nor left out."""
    from datagen.cli import terminal
    from datagen.recipe import make

    mapping, roles = terminal.pairs(given.pop("mapping"), "--map"), terminal.pairs(given.pop("roles"), "--roles")
    how = {"split": given.pop("split"), "encoding": given.pop("encoding") or ""}
    limit = given.pop("limit")
    fresh, as_json = given.pop("fresh"), given.pop("as_json")
    estimate, probes = given.pop("estimate", False), given.pop("probes", 0)
    own = {k: v for k, v in given.items() if v is not None}
    recipe = make(steps(own), input=tuple(rows), mapping=mapping, roles=roles, limit=limit, **how)
    if estimate:
        return terminal.estimate(recipe, out, probes, as_json=as_json)
    return terminal.run(recipe, out, fresh=fresh, as_json=as_json)


def execute(kind: str, out: str, given: dict[str, Any], *, estimate: bool, probes: int, fresh: bool, as_json: bool) -> int:
    """Run a generator, or quote what it would cost; return the exit code."""
    from datagen.cli import terminal
    from datagen.recipe import make

    if os.environ.get("OPENAI_BASE_URL") and not given.get("model"):
        say("datagen: OPENAI_BASE_URL is not used: no --model is named, so the embedded model makes the rows", err=True)
    recipe = make([{kind: {k: v for k, v in given.items() if v is not None}}])
    if estimate:
        return terminal.estimate(recipe, out, probes, as_json=as_json)
    return terminal.run(recipe, out, fresh=fresh, as_json=as_json)
