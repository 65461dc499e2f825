"""The command line: one thin file per command, loaded when it is called; only click and the standard library at the top."""

from __future__ import annotations

import importlib
import io
import os
import re
import sys
from pathlib import Path
from typing import Any

import click

from datagen.cli.say import say
from datagen.cli.signals import exit_code, term_as_interrupt
from datagen.errors import DatagenError, Stopped, of_place

# In the order of the road; "" = the first line of the file of its kind.
COMMANDS = {
    "try": "Curate 500 rows that come along: what is found, in seconds.",
    "self-instruct": "",
    "magpie": "",
    "backtranslate": "Make rows of documents: the instruction that each passage answers.",
    "answer": "",
    "judge": "Score rows by a rubric with a model, or compare two answers.",
    "rewrite": "",
    "evolve": "",
    "translate": "",
    "from-pairs": "",
    "filter": "Curate rows by a chain of stages; every drop has a reason.",
    "split": "Hold rows out to test with, none of them like one that is trained on.",
    "mix": "",
    "vocab": "Grow a model's vocabulary for the language of a corpus.",
    "tune": "Search learning rate, rank and batch by short runs.",
    "plan": "Say what training takes: days, memory, cost; what fits.",
    "train": "",
    "eval": "Measure models on tasks: losses, choices, answers, with intervals.",
    "ablate": "Find out what each stage of a recipe buys, with intervals.",
    "merge": "Add an adapter to its base: a folder, or a GGUF file.",
    "chat": "Talk to a model, or to two side by side.",
    "serve": "Serve a model to programs of this machine (OpenAI's API).",
    "export": "Write rows in another format, with a dataset card.",
    "push": "Hand rows, an adapter or a model on to the Hugging Face hub.",
    "demo": "Walk the whole road on the embedded models, at a size that fits.",
    "run": "Run a recipe, from generation to training.",
    "report": "Write report.html of a finished run again.",
    "stages": "List the curation stages and their options.",
    "doctor": "Probe an endpoint: what works, and which generators that allows.",
    "reparse": "Make a generator's rows again from its recorded answers.",
    "review": "Accept, edit or reject a sample of a run's rows, with a key each.",
    "explain": "Show every fate of one row, its witness beside it.",
    "diff": "Compare two runs: which rows only one of them kept, and why.",
    "stats": "Count rows by source and language, turns, lengths, verbs and nouns.",
}


KINDS = Path(__file__).parents[1] / "kinds"
CLASS = re.compile(r"^class (\w+)\(([\w, ]+)\):", flags=re.M)
MAKE_COMMANDS = {"Generator", "Teacher"}
DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")  # a module of the user's own
STOPPED = "stopped; everything finished so far is saved, the same command goes on"


class Commands(click.Group):
    """A group whose commands are modules of this package, imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the road; generators and teachers that it does not know come last."""
        return list(dict.fromkeys([*COMMANDS, *(name.replace("_", "-") for name in _making_commands())]))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command: of its module, or made from the file of a kind."""
        name = cmd_name.replace("-", "_")
        if cmd_name in COMMANDS and (Path(__file__).parent / f"{name}.py").is_file():
            command: click.Command = importlib.import_module(f"datagen.cli.{name}").command
            return command
        if "." not in cmd_name and cmd_name not in self.list_commands(ctx):
            return None
        made: click.Command | None = importlib.import_module("datagen.cli.kinds").command_of(cmd_name)
        return made

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command when there is none of that name."""
        from datagen.errors import UsageError, did_you_mean

        known = self.list_commands(ctx)
        if (
            args
            and not args[0].startswith("-")
            and args[0] not in known
            and (Path(args[0]).exists() or not DOTTED.fullmatch(args[0]))
        ):
            raise UsageError(f"there is no command '{args[0]}'{did_you_mean(args[0], known)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS.get(name) or _first_line(name)) for name in self.list_commands(ctx)])


def _making_commands() -> list[str]:
    """Return the files of generators and teachers, and of what is made of one; told by their text, for none is imported."""
    texts = {path.stem: _source(path.stem) for path in sorted(KINDS.glob("[a-z]*.py"))}
    bases = {name: dict(CLASS.findall(text)) for name, text in texts.items()}
    makers = set(MAKE_COMMANDS)
    while more := {c for of in bases.values() for c, b in of.items() if c not in makers and makers & set(b.split(", "))}:
        makers |= more
    return [name for name, of in bases.items() if makers & set(of)]


def _source(name: str) -> str:
    """Return the text of a kind's file: to list the commands, none of them is imported."""
    return (KINDS / f"{name}.py").read_text("utf-8")


def _first_line(name: str) -> str:
    return _source(name.replace("-", "_")).partition('"""')[2].partition("\n")[0].removesuffix('"""')


@click.command(
    cls=Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80}
)
@click.version_option(package_name="datagen", message="datagen %(version)s")
@click.pass_context
def datagen(ctx: click.Context) -> None:
    """Make, curate, mix and prove instruction-tuning data.

    A run is a folder with kept/, dropped/ (each row with its reason) and run.json. The same command again goes on where it
    stopped. Exit codes: 0 done, 2 wrong usage or recipe, 3 data, 4 model or endpoint, 5 budget reached.
    """
    if ctx.invoked_subcommand is None:
        say(ctx.get_help())


def main(args: list[str] | None = None) -> None:
    """Run the command line; every error is one line on stderr and an exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # the name of a file need not be UTF-8
    try:
        with term_as_interrupt():
            code: Any = datagen.main(args, standalone_mode=False)
    except Exception as e:
        if os.environ.get("DATAGEN_DEBUG") and not isinstance(e, (DatagenError, click.ClickException, click.exceptions.Abort)):
            raise
        _fail(*_told(e))
    except KeyboardInterrupt:
        _fail(STOPPED, exit_code())
    sys.exit(code if isinstance(code, int) else 0)


def _told(error: Exception) -> tuple[str, int]:
    """Return the line and the exit code of what ended a command."""
    if isinstance(error, DatagenError):
        return str(error), error.exit_code
    if isinstance(error.__cause__, Stopped):  # click makes an Abort of it
        return str(error.__cause__), error.__cause__.exit_code
    if isinstance(error, click.exceptions.Abort):
        return STOPPED, exit_code()
    if isinstance(error, click.ClickException):
        context = getattr(error, "ctx", None)
        where = f" (see {context.command_path} --help)" if context else ""
        return f"{error.format_message()}{where}", 2
    if isinstance(error, BrokenPipeError):
        sys.stderr.close()
        sys.exit(0)
    if named := of_place(error, "what it was to write"):
        return str(named), named.exit_code
    if isinstance(error, OSError):
        place = f": {error.filename}" if error.filename else ""
        return f"{error.strerror or error}{place}", 3
    return f"unexpected {type(error).__name__}: {error}; set DATAGEN_DEBUG=1 to see where, and please report it", 1


def _fail(message: str, code: int) -> None:
    from datagen.visible import in_a_line

    say(f"datagen: {in_a_line(message)}", err=True)
    sys.exit(code)
