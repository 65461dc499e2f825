"""Writes the pages that are made from the code, and the types of the Python face: `make docs`.

docs/commands.md, docs/stages.md, docs/options.md, docs/reasons.md and datagen/__init__.pyi; a test compares them with what this
makes now.
"""

from __future__ import annotations

import builtins
import inspect
import sys
import types
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import click

import datagen
from datagen import calls, cli, options, stage, step
from datagen.chat.options import ModelOptions
from datagen.generator import Generator
from datagen.options import REQUIRED, Option
from datagen.reasons import EVERY, EXPORT, GENERATORS, INPUT, REASONS, REVIEW, TEACHERS
from datagen.step import Kind
from datagen.teacher import Teacher
from datagen.training.options import TrainOptions

TOP = Path(__file__).resolve().parents[1]
WIDTH = 80
MADE = "<!-- Made by `make docs` from the code; do not edit. -->\n"
SHARED = {  # options that many kinds have are listed once
    "Options of every generator": Generator, "Options of every teacher": Teacher,
    "Options of whatever asks a model": ModelOptions, "Options of training": TrainOptions,
}  # fmt: skip
PLACES = {INPUT: "reading", EXPORT: "`datagen export`", REVIEW: "`datagen review`", EVERY: EVERY}


def commands() -> str:
    """Return the page of commands: the help of each, at 80 columns, in the order of the road."""
    root = cli.datagen
    settings = {**root.context_settings, "max_content_width": WIDTH}
    context = click.Context(root, info_name="datagen", terminal_width=WIDTH, **settings)
    parts = [MADE, "# The commands\n", _fenced(root.get_help(context))]
    for name in root.list_commands(context):
        command = root.get_command(context, name)
        assert command is not None
        inner = click.Context(command, info_name=name, parent=context, terminal_width=WIDTH, max_content_width=WIDTH)
        parts.append(f"## {name}\n\n{_fenced(command.get_help(inner))}")
    return "\n".join(parts)


def _fenced(text: str) -> str:
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return f"```\n{lines}\n```\n"


def stages() -> str:
    """Return the page of stages and other kinds: what each does, its options, its reasons."""
    table = [f"| [`{name}`](#{_anchor(name, 'stage')}) | {step.summary(stage.find(name))} |" for name in stage.names()]
    kinds = {name: step.find(name, Kind, "datagen.kinds") for name in step.names("datagen.kinds")}
    families = {
        "Generators": [n for n, k in kinds.items() if issubclass(k, Generator)],
        "Teachers": [n for n, k in kinds.items() if issubclass(k, Teacher)],
        "Other steps": [n for n, k in kinds.items() if not issubclass(k, (Generator, Teacher))],
    }
    parts = [
        MADE, "# The stages and the other steps\n",
        "On the command line an option of a stage is written `--stage rouge:threshold=0.6`, or changed by\n"
        "`--set rouge.threshold=0.6`; those of other steps are flags of their commands: `min_score` is `--min-score`.\n"
        "In a recipe each stands under its step. See [the flags](commands.md) and [what the reasons mean](reasons.md);\n"
        "[`error`](reasons.md#error) is one of every step.\n",
        "## Stages\n", "\n".join(["| stage | what it does |", "|---|---|", *table]) + "\n",
        *(_section(name, stage.find(name), "stage") for name in stage.names()),
    ]  # fmt: skip
    for title, names in families.items():
        parts += [f"## {title}\n", *(_section(name, kinds[name], "step") for name in names)]
    parts.append("## Shared options\n")
    for title, base in SHARED.items():
        own, more = _parted(base)
        parts.append(f"### {title}\n\n{_table(own)}{_links(more)}")
    return "\n".join(parts)


def option_index() -> str:
    """Return the page of options: each by its name, with what it means and the kinds of step that have it."""
    places: dict[tuple[str, str], list[str]] = {}
    for name in step.names():
        kind = step.find(name, Kind)
        shared = [(o, title) for title, base in SHARED.items() if issubclass(kind, base) for o in options.listed(base)]
        for o in options.listed(kind):
            title = next((title for other, title in shared if other == o), None)
            anchor = _anchor(name, "stage" if name in stage.names() else "step") if title is None else _slug(title)
            told = f"[{name if title is None else title.removeprefix('Options of ')}](stages.md#{anchor})"
            found = places.setdefault((o.name, _cell(_meaning(o))), [])
            if told not in found:
                found.append(told)
    lines = [f"| `{name}` | {meaning} | {', '.join(of)} |" for (name, meaning), of in sorted(places.items())]
    return "\n".join([
        MADE, "# The options, by name\n",
        "`some_option` is `--some-option` on the command line, `--stage rouge:some_option=…` for a stage, and `some_option`\n"
        "in a recipe and in Python. Their defaults stand where each links to.\n",
        "| option | what it is | of |", "|---|---|---|", *lines, "",
    ])  # fmt: skip


def _section(name: str, kind: type[Kind], what: str) -> str:
    """Return what is said of one kind."""
    told = inspect.cleandoc(kind.__doc__ or "")
    own, more = _parted(kind)
    given = sorted(r.name for r in REASONS.values() if name in r.stays)
    reasons = f"Reasons: {', '.join(f'[`{r}`](reasons.md#{r})' for r in given)}.\n" if given else ""
    family = [g for g, base in ((GENERATORS, Generator), (TEACHERS, Teacher)) if issubclass(kind, base)]
    shared = sorted(r.name for r in REASONS.values() for g in family if g in r.stays and name not in r.stays)
    if shared:
        reasons += f"{'And those' if given else 'Reasons: those'} of {family[0]}: "
        reasons += f"{', '.join(f'[`{r}`](reasons.md#{r})' for r in shared)}.\n"
    body = "\n".join(part for part in (f"{told}\n", f"{_table(own)}{_links(more)}", reasons) if part.strip())
    return f"### {_title(name, what)}\n\n{body}"


def _title(name: str, what: str) -> str:
    return f"The {what} {name}" if name == "judge" else name


def _anchor(name: str, what: str) -> str:
    return _slug(_title(name, what))


def _slug(title: str) -> str:
    return title.lower().replace(" ", "-")


def _parted(kind: type[Any]) -> tuple[list[Option], list[str]]:
    """Return a class's own options, and the titles under which the others are listed."""
    own, titles = options.listed(kind), []
    for title, base in SHARED.items():
        if base is not kind and issubclass(kind, base):
            shared = options.listed(base)
            if any(o in shared for o in own):
                titles.append(title)
            own = [o for o in own if o not in shared]
    return own, titles


def _links(titles: Iterable[str]) -> str:
    found = [f"[{title[0].lower()}{title[1:]}](#{_slug(title)})" for title in titles]
    return f"\nAnd {', '.join(found)}.\n" if found else ""


def _table(found: Iterable[Option]) -> str:
    lines = [f"| `{o.name}` | {_default(o)} | {_cell(_meaning(o))} |" for o in found]
    return "\n".join(["| option | default | what it is |", "|---|---|---|", *lines]) + "\n" if lines else ""


def _meaning(option: Option) -> str:
    """Return what an option means and may be; its default has a column of its own."""
    values = ", ".join(map(str, option.choices))
    return "; ".join(part for part in (option.meaning, values and f"one of {values}") if part)


def _default(option: Option) -> str:
    if option.default is REQUIRED:
        return "must be given"
    if isinstance(option.default, bool):
        return "on" if option.default else "off"
    if option.default in ((), {}, ""):
        return ""
    return _cell(f"`{options.shown(option.default)}`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def reasons() -> str:
    """Return the page of reasons: one heading each."""
    parts = [
        MADE, "# The reasons\n",
        "Why a row is in `dropped/`: the name stands in the column `reason`. Each says what it means, and for each step that\n"
        "gives it what to do where such rows should stay. `datagen explain OUT ID` says it of one row, the report of a run.\n",
    ]  # fmt: skip
    for name in sorted(REASONS):
        reason = REASONS[name]
        ways: dict[str, list[str]] = {}
        for where, told in reason.stays.items():
            ways.setdefault(told, []).append(_place(where))
        lines = [f"- {', '.join(places)}: {told}." for told, places in ways.items()]
        parts.append(f"## {name}\n\n{reason.meaning}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def _place(where: str) -> str:
    if where in PLACES:
        return PLACES[where]
    if where in (GENERATORS, TEACHERS):
        return f"[{where}](stages.md#{where.removeprefix('every ')}s)"
    return f"[`{where}`](stages.md#{_anchor(where, 'stage')})"


STUB = '''"""The Python face of datagen, for editors and type checkers; made by `make docs` from the code, do not edit."""

from pathlib import Path
from typing import Any, Literal

from datagen.api import Finished, filter, opened, read, run, write  # noqa: A004
from datagen.calls import function
{imports}

__all__ = [
{names}
]
__version__: str

class _Stages:
    """The stages: called, their names; an attribute is the class of one, whose fields are its options."""

    def __call__(self) -> list[str]: ...
{classes}

stages: _Stages

'''


def stub() -> str:
    """Return the types of the Python face: a function with its keywords and their types for each kind that has one."""
    found = [stage.find(name) for name in stage.names()]
    text = STUB.format(
        imports="\n".join(f"from {c.__module__} import {c.__name__} as _{c.__name__}" for c in found),
        names="\n".join(f'    "{name}",' for name in sorted({*datagen.__all__, *calls.called()})),
        classes="\n".join(f"    {c.__name__}: type[_{c.__name__}]" for c in found),
    )
    return text + "\n".join(_function(name) for name in calls.called())


def _function(name: str) -> str:
    call = calls.call_of(name)
    lines, keywords = [], False
    for one in calls.signature(call).parameters.values():
        if one.kind is inspect.Parameter.KEYWORD_ONLY and not keywords:
            keywords = True
            lines.append("    *,")
        default = "" if one.default is inspect.Parameter.empty else f" = {_value(one.default)}"
        allowed = "  # noqa: A002" if hasattr(builtins, one.name) else ""
        lines.append(f"    {one.name}: {spelled(one.annotation)}{default},{allowed}")
    said = call.told.split("\n")[0].replace("\\", "\\\\")
    return "\n".join([f"def {name}(", *lines, ") -> Finished:", f'    """{said}"""', ""])


def _value(default: Any) -> str:
    """Return a default as Python text with double quotes; `...` for what would be long."""
    text = repr(default).replace("'", '"')
    return "..." if isinstance(default, (tuple, dict)) and default and len(text) > 32 else text


def spelled(kind: Any) -> str:
    """Return a type as it is written in a file."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return " | ".join(spelled(a) for a in args)
    if origin is Literal:
        return "Literal[" + ", ".join(repr(a).replace("'", '"') for a in args) + "]"
    if origin is not None:
        return f"{origin.__name__}[{', '.join('...' if a is ... else spelled(a) for a in args)}]"
    return "None" if kind is type(None) else str(kind.__name__)


PAGES = {
    "docs/commands.md": commands, "docs/stages.md": stages, "docs/options.md": option_index, "docs/reasons.md": reasons,
    "datagen/__init__.pyi": stub,
}  # fmt: skip


def main() -> None:
    """Write every page; print the one that is named."""
    if named := sys.argv[1:]:
        sys.stdout.write(PAGES[named[0]]())
        return
    for path, made in PAGES.items():
        (TOP / path).write_text(made(), encoding="utf-8")
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
