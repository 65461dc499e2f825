"""All that the command line prints: what a row, a file or an endpoint says is shown, and never steers the terminal."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable
from typing import Any

import click


def say(text: object = "", *, err: bool = False, **style: Any) -> None:
    """Print a text, control characters in it visible; newlines stay.

    Args:
        text: what is said.
        err: whether on stderr.
        style: of click's `style`, such as bold=True; a terminal alone gets it.
    """
    from datagen.visible import visible

    shown = visible(str(text))
    click.echo(click.style(shown, **style) if style else shown, err=err)


def say_part(text: str, **style: Any) -> None:
    """Print a part of a text that goes on, control characters in it visible; `style` as of `say`."""
    from datagen.visible import visible

    click.echo(click.style(visible(text), **style) if style else visible(text), nl=False)


def say_marked(parts: Iterable[tuple[bool, str]]) -> None:
    """Print a text in parts, those that are marked in ⟦ ⟧, green on a terminal; control characters visible."""
    from datagen.visible import visible

    shown = [(marked, visible(f"⟦{text}⟧" if marked else text)) for marked, text in parts]
    click.echo("".join(click.style(text, fg="green") if marked else text for marked, text in shown).rstrip("\n"))


def say_json(value: Any) -> None:
    """Print a value as one line of JSON; NaN is null.

    Characters that a terminal would follow are always escaped, not only on one: the line means the same to every reader, and
    what a pipe leads to (`less -R`, a log) may be shown on a terminal later.
    """
    from datagen.json_text import dumps
    from datagen.visible import escaped_json

    click.echo(escaped_json(dumps(value)))


def command_line(*words: str) -> str:
    r"""Return `datagen` and its words as a shell takes them; a control character, or a byte that is not UTF-8, as `$'\033'`."""
    return " ".join(["datagen", *(_quoted(str(word)) for word in words)])


def _quoted(word: str) -> str:
    if all(_escaped(c) == c or c in "\\'" for c in word):
        return shlex.quote(word)
    return "$'" + "".join(map(_escaped, word)) + "'"


def _escaped(c: str) -> str:
    from datagen.visible import visible

    if c in "\\'":
        return f"\\{c}"
    return c if visible(c) == c and c not in "\n\t" else "".join(f"\\{byte:03o}" for byte in os.fsencode(c))
