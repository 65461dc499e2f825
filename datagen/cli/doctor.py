"""`datagen doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datagen.cli.say import say, say_json

if TYPE_CHECKING:
    from datagen.doctor.doctor import Findings

WIDTH = 80


@click.command("doctor")
@click.option("--base-url", metavar="URL", help="An OpenAI-compatible endpoint; also OPENAI_BASE_URL. The key: OPENAI_API_KEY.")
@click.option(
    "--model", help="A model of the endpoint; without an endpoint: smollm2 (embedded, default), a local folder or FILE.gguf."
)
@click.option("--timeout-s", type=click.FloatRange(0.1, 3600), default=30.0, show_default=True, help="Seconds for each probe.")
@click.option("--context", is_flag=True, help="Find the context length by ever longer prompts; costs their tokens.")
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON on one line.")
def command(base_url: str | None, model: str | None, timeout_s: float, context: bool, as_json: bool) -> int:
    """Probe an endpoint by small requests: what works, and which generators that allows.

    Some thirty requests of a few tokens. Exit code 0 when chat or raw completions work, else 4.
    """
    import dataclasses

    from datagen.cli import endings
    from datagen.doctor.doctor import PROBES, diagnose
    from datagen.errors import ModelError
    from datagen.generate.turns import family_of
    from datagen.progress import shown

    with shown("doctor", len(PROBES), "probes") as bar:
        found = diagnose(base_url, model, timeout_s=timeout_s, context=context, family_of=family_of, on_probe=bar.at)
    if as_json:
        say_json({**dataclasses.asdict(found), "usable": found.usable})
    else:
        _show(found)
        endings.of_doctor(found, base_url)
    if not found.usable:
        raise ModelError(found.trouble)
    return 0


def _show(found: Findings) -> None:
    """Print the two tables and the cost, 80 columns wide."""
    _row("endpoint", "", found.base_url, 16, 0)
    if found.model:
        _row("model", "", found.model, 16, 0)
    say(f"\n{'probe':<16}{'verdict':<10}what it says")
    for finding in found.probes:
        if finding.tried:
            _row(finding.probe, finding.verdict, finding.words)
    if left := [f.probe for f in found.probes if not f.tried]:
        _row("not tried", "", ", ".join(left), 16, 0)
    say(f"\n{'generator':<32}{'works':<7}why")
    for entry in found.generators:
        _row(entry.generator, "yes" if entry.allowed else "no", entry.why, 32, 7)
    uncounted = f", {found.uncounted} without a count" if found.uncounted else ""
    usd = "price unknown" if found.usd is None else f"${found.usd:.4f}"
    tokens = f"{found.input_tokens:,} tokens in, {found.output_tokens:,} out"
    say(f"\n{found.requests} request{'s' * (found.requests != 1)}, {tokens}{uncounted}, {usd}, {found.seconds:.1f} s")


def _row(name: str, verdict: str, words: str, first: int = 16, second: int = 10) -> None:
    """Print one row; words that do not fit go on below themselves."""
    lines = _wrapped(words, WIDTH - first - second)
    say(f"{name:<{first}}{verdict:<{second}}{lines[0]}".rstrip())
    for line in lines[1:]:
        say(" " * (first + second) + line)


def _wrapped(words: str, columns: int) -> list[str]:
    """Break words into lines of so many columns, of which Chinese takes two each; a piece longer than a line is cut."""
    import unicodedata

    def wide(text: str) -> int:
        return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)

    lines = [""]
    for word in words.split():
        if lines[-1] and wide(lines[-1]) + 1 + wide(word) <= columns:
            lines[-1] += f" {word}"
            continue
        if lines[-1]:
            lines.append("")
        for c in word:
            if wide(lines[-1]) + wide(c) > columns:
                lines.append("")
            lines[-1] += c
    return lines
