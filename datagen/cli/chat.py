"""`datagen chat`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datagen.cli.say import say, say_part
from datagen.errors import DatagenError, UsageError

if TYPE_CHECKING:
    from datagen.session.session import Session

DIM = {"dim": True}
HELP = "/system TEXT, /reset, /save FILE, /quit; Ctrl+C stops an answer"


@click.command("chat")
@click.argument("model", default="smollm2")
@click.option("--adapter", metavar="DIR", help="A trained adapter, or another model, that answers beside MODEL.")
@click.option("--base-url", metavar="URL", help="Of a MODEL that is not here; also OPENAI_BASE_URL. The key: OPENAI_API_KEY.")
@click.option("--system", default="", metavar="TEXT", help="What the models are told first.")
@click.option("--temperature", type=click.FloatRange(0, 2), help="Default: that of the server.")
@click.option("--top-p", type=click.FloatRange(0, 1), help="Default: that of the server.")
@click.option("--max-tokens", type=click.IntRange(1), default=512, show_default=True, help="Of one answer.")
@click.option("--save", metavar="FILE", help="Add the conversation to this file at the end, as rows.")
def command(model: str, adapter: str | None, base_url: str | None, system: str, save: str | None, **sampling: Any) -> int:
    """Talk to MODEL: smollm2 (embedded), a folder, an adapter, FILE.gguf, or a model of an endpoint.

    With --adapter both answer every message, each hearing its own answers only. What was said is a file of rows after /save:
    `datagen filter FILE -o OUT`, then `datagen review OUT`. Without a terminal each line of the input is a message.
    """
    from datagen.session.session import Session
    from datagen.session.voices import opened

    if save and Path(save).is_dir():
        raise UsageError(f"{save} is a folder; --save names a file, such as {Path(save, 'chat.jsonl')}")
    given = {name: value for name, value in sampling.items() if value is not None}
    with opened([model, adapter] if adapter else [model], base_url) as voices:
        session = Session(voices, system, given)
        if sys.stdin.isatty():
            say(f"{' and '.join(voice.name for voice in voices)} will answer.\n{HELP}")
        try:
            for line in _lines():
                if not _followed(line, session):
                    break
        finally:
            if save and (count := session.save(Path(save))):
                say(f"{count} conversation{'s' * (count != 1)} added to {save}", err=True)
    return 0


def _lines() -> Iterator[str]:
    """Yield what a person types, or the lines of a pipe; an interrupted line is begun again."""
    if not sys.stdin.isatty():
        yield from (line.strip() for line in sys.stdin if line.strip())
        return
    import contextlib

    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 - a line can be edited, and earlier ones come back
    while True:
        try:
            line = input("› ").strip()
        except EOFError:
            say()
            return
        except KeyboardInterrupt:
            say("  /quit or Ctrl+D ends it")
            continue
        if line:
            yield line


def _followed(line: str, session: Session) -> bool:
    """Do what a line asks for; return whether the conversation goes on."""
    if not line.startswith("/"):
        _answered(line, session)
        return True
    name, _, rest = line.partition(" ")
    if name in ("/quit", "/exit"):
        return False
    todo: Callable[[str, Session], None] | None = COMMANDS.get(name)
    if todo is None:
        say(f"there is no command {name}: {HELP}")
    else:
        todo(rest.strip(), session)
    return True


def _answered(line: str, session: Session) -> None:
    """Let every model answer, each shown while it comes; one that fails says why, and the others go on."""
    for voice in session.voices:
        if len(session.voices) > 1:
            say(voice.name, bold=True)
        kind = "says"
        pieces = session.asked(voice, line)
        try:
            for piece in pieces:
                if piece.kind == "cut":
                    say_part(" … (--max-tokens)", **DIM)
                    continue
                if piece.kind != kind:
                    say()
                kind = piece.kind
                say_part(piece.text, **DIM if kind == "thinks" else {})
        except KeyboardInterrupt:
            pieces.close()
            say_part(" …")
        except DatagenError as e:
            say_part(f"[{e}]")
        say("\n" if sys.stdin.isatty() else "")


def _system(text: str, session: Session) -> None:
    session.reset(text)
    say(f"begun anew, with the system text: {text}" if text else "begun anew, without a system text")


def _reset(text: str, session: Session) -> None:
    session.reset()
    say("begun anew")


def _save(text: str, session: Session) -> None:
    path = Path(text or "chat.jsonl").expanduser()
    if not session.records():
        say("nothing was said yet")
        return
    try:
        count = session.save(path)
    except (DatagenError, OSError) as e:
        say(f"not saved: {e}")
        return
    say(f"{count} conversation{'s' * (count != 1)} added to {path}; next: datagen filter {path} -o OUT")


def _help(text: str, session: Session) -> None:
    say(HELP)


COMMANDS: dict[str, Callable[[str, Session], None]] = {
    "/system": _system, "/reset": _reset, "/save": _save, "/help": _help,
}  # fmt: skip
