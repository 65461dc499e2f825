"""The command line: one thin file per command, loaded when it is called; only click and the standard library at the top."""

from __future__ import annotations

import importlib
import io
import os
import sys
from typing import Any

import click

from datagen.cli.say import say
from datagen.cli.signals import exit_code, term_as_interrupt
from datagen.errors import DatagenError, Stopped, of_place

COMMANDS = {
    "try": "Curate 500 rows that come along: what is found, in seconds.",
    "self-instruct": "Make new tasks and answers from seed tasks with a model.",
    "magpie": "Make tasks and answers from a model's bare user turn.",
    "backtranslate": "Make rows of documents: the instruction that each passage answers.",
    "answer": "Answer prompts that exist with a model; several at choice, best first.",
    "judge": "Score rows by a rubric with a model, or compare two answers.",
    "rewrite": "Write answers anew, grounded in those that rows have.",
    "evolve": "Make harder tasks of tasks (Evol-Instruct), with their lineage.",
    "translate": "Add the same tasks and answers in other languages.",
    "from-pairs": "Make translation instructions of sentence pairs.",
    "filter": "Curate rows by a chain of stages; every drop has a reason.",
    "mix": "Mix sources by T5's rules, or search the mixture with small proxies.",
    "train": "Fine-tune a model on rows: a LoRA adapter, or the whole model.",
    "export": "Write rows in another format, with a dataset card.",
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


STOPPED = "stopped; everything finished so far is saved, the same command goes on"


class Commands(click.Group):
    """A group whose commands are modules of this package, imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the road."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command's module and return its `command`."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"datagen.cli.{cmd_name.replace('-', '_')}")
        command: click.Command = module.command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Name the nearest command when there is none of that name."""
        from datagen.errors import UsageError, did_you_mean

        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise UsageError(f"there is no command '{args[0]}'{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


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
