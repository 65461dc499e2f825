"""The commands of generators, teachers and other kinds as functions, each made from its kind: `dg.answer(rows, out)`.

`inspect.signature` shows every option with its default, `help()` what each means; both come from the fields that the command
line is made from.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from datagen import options as option_fields
from datagen import recipe as recipes
from datagen.api import Finished, finished, paths, place
from datagen.backtranslation import SAMPLING, SHARED, Backtranslation, steps
from datagen.errors import UsageError, did_you_mean
from datagen.options import REQUIRED, Option
from datagen.progress import Bar
from datagen.reading import GROUP, NAMES, Reading
from datagen.runner import execute
from datagen.step import Kind, find, names

READING = tuple(option_fields.listed(Reading))
LEADS = {  # the first argument of those that read something, and what it is
    "rows": "files or folders, a finished run, or a table: pandas, pyarrow, `datasets`, a list of maps",
    "sources": "the name of each source -> its rows, given as paths or a table",
    "pairs": "files of records with a field per language",
    "documents": "files or folders of text, Markdown, HTML, JSON lines, CSV or Parquet",
}
WIDTH = 76  # of a line: `help()` indents by four


@dataclass(frozen=True)
class Call:
    """What a function takes: its first argument, how that is read, and its options."""

    name: str
    lead: str  # one of LEADS; "" = nothing is read
    options: tuple[Option, ...]
    told: str  # its docstring, but for the arguments

    @property
    def reads(self) -> bool:
        """Whether rows are read, in any form and format."""
        return self.lead in ("rows", "sources")


def called() -> list[str]:
    """Return the names of the functions that are made from kinds."""
    return [name for name in names() if find(name, Kind).command]


@lru_cache(maxsize=64)
def call_of(name: str) -> Call:
    """Return what the function of a name takes."""
    if name == "backtranslate":
        asking = [o for o in option_fields.listed(find(name, Kind)) if o.name in (*SHARED, *SAMPLING)]
        options = [*option_fields.listed(Backtranslation), *asking]
        return Call(name, "documents", tuple(options), inspect.getdoc(Backtranslation) or "")
    kind = find(name, Kind)
    leave = (kind.lead if kind.command else "", "fresh")
    own = [o for o in option_fields.listed(kind) if o.name not in leave]
    taken = {"out", kind.lead, *(NAMES if kind.lead == "rows" else ())}
    if twice := next((o.name for o in own if o.name in taken), None):
        raise UsageError(f"'{name}': its option '{twice}' has the name of an argument of the function; call it otherwise")
    return Call(name, kind.lead, tuple(own), inspect.getdoc(kind) or "")


def signature(call: Call) -> inspect.Signature:
    """Return the signature of a function: what it reads and where it writes, then keywords."""
    either, keyword = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    leads = [inspect.Parameter(call.lead, either, annotation=Any)] if call.lead else []
    leads.append(inspect.Parameter("out", either, annotation=str | Path))
    reading = [o for o in READING if o.name not in {own.name for own in call.options}] if call.reads else []
    rest = [
        inspect.Parameter(
            o.name, either if o.name in ("n", "source", "target") else keyword, annotation=o.kind,
            default=inspect.Parameter.empty if o.default is REQUIRED else o.default,
        )
        for o in (*call.options, *reading)
    ]  # fmt: skip
    rest.sort(key=lambda p: p.kind)
    return inspect.Signature([*leads, *rest], return_annotation=Finished)


def described(call: Call) -> str:
    """Return the docstring of a function: that of its kind, then its arguments in the groups and the order of the help."""
    groups: dict[str, list[tuple[str, str]]] = {"": [(call.lead, f"{LEADS[call.lead]}.")] if call.lead else []}
    groups[""].append(("out", "the run folder; the same call again goes on."))
    for o in call.options:
        groups.setdefault(o.group, []).append((o.name, _told(o)))
    if call.reads:
        own = {o.name for o in call.options}
        reading = [(o.name, _told(o)) for o in READING if o.name not in own]
        groups = {"": groups.pop(""), GROUP: reading, **groups}
    lines = _wrapped(call.told)
    for name, arguments in groups.items():
        lines += ["", f"{name or 'Args'}:"]
        for argument, told in arguments:
            lines += textwrap.wrap(f"{argument}: {told}", WIDTH, initial_indent="    ", subsequent_indent="        ")
    end = "Raises:\n    DatagenError: with one line; what was made until a cap or the endpoint\n        ended it is in `out`."
    return "\n".join([*lines, "", end])


def _told(option: Option) -> str:
    """Return what help says of an option, its first letter as it is: here a name stands before it."""
    return option.meaning[:1] + option_fields.help_of(option)[1:] if option.meaning else option_fields.help_of(option)


def _wrapped(told: str) -> list[str]:
    """Return a docstring in lines of the width that `help()` leaves on a terminal, its paragraphs kept."""
    wrapped = ["\n".join(textwrap.wrap(" ".join(part.split()), WIDTH)) for part in told.split("\n\n")]
    return "\n\n".join(wrapped).split("\n")


@lru_cache(maxsize=64)
def function(name: str) -> Callable[..., Finished]:
    """Return the function of a kind; raises AttributeError where there is none."""
    if "." not in name and not (name in names() and find(name, Kind).command):
        raise AttributeError(f"there is no function '{name}'")
    call = call_of(name)
    shape = signature(call)

    def run(*args: Any, **options: Any) -> Finished:
        if unknown := next((o for o in options if o not in shape.parameters), None):
            raise UsageError(f"dg.{name} has no option '{unknown}'{did_you_mean(unknown, shape.parameters)}")
        try:
            given = shape.bind(*args, **options).arguments
        except TypeError as e:
            raise UsageError(f"dg.{name}: {e}; see help(dg.{name})") from None
        return _run(call, given)

    run.__name__ = run.__qualname__ = name
    run.__module__ = "datagen"
    run.__doc__ = described(call)
    run.__signature__ = shape  # type: ignore[attr-defined]
    return run


def _run(call: Call, given: dict[str, Any]) -> Finished:
    """Do what a function was called for."""
    folder = place(given.pop("out"), "out")
    lead = given.pop(call.lead, None)
    head = {o.name: given.pop(o.name) for o in READING if call.reads and o.name in given}
    beside = folder.with_name(f"{folder.name}.input")
    if call.name == "backtranslate":
        entries = steps(_several(lead), {k: v for k, v in given.items() if v is not None})
    elif call.lead == "sources":
        if not isinstance(lead, Mapping):
            raise UsageError(f"dg.{call.name}: sources is a map of names to rows, not {type(lead).__name__}")
        named = {name: paths(rows, beside / f"{i}.parquet") for i, (name, rows) in enumerate(lead.items())}
        sources = {name: found[0] if len(found) == 1 else found for name, found in named.items()}
        entries = [{call.name: {"sources": sources, **given}}]
    elif call.lead == "pairs":
        entries = [{call.name: {"pairs": _several(lead), **given}}]
    else:
        entries = [{call.name: given}]
        if call.lead:
            head["input"] = tuple(paths(lead, beside / "table.parquet"))
    return finished(execute(recipes.make(entries, **head), folder, progress=Bar()))


def _several(given: Any) -> list[str]:
    several = list(given) if isinstance(given, (list, tuple)) else [given]
    for one in several:
        place(one, "what is read")
    return [str(one) for one in several]  # not as a path, which would write hf:// with one stroke
