"""Every regular expression of the package, and the methods that it is called by."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import regex

import datagen
from datagen import marks
from datagen.answers import score as parse
from datagen.curate import rules
from datagen.similarity import same_answer
from datagen.teaching import evolve

ENGINES: dict[str, Any] = {"re": re, "regex": regex}
METHODS = ("search", "match", "fullmatch", "sub", "subn", "split", "findall", "finditer")
CALLS = {f"{engine}.{method}" for engine in ENGINES for method in (*METHODS, "compile")}
# What functions compile of their arguments, made as the package makes it, with the method that it is called by.
MADE = {
    "datagen.answers.score": [
        *((name, parse._compiled(getattr(parse, name)), "finditer") for name in ("_SCALE", "_LABELLED", "_GIVEN", "_FRACTION")),
        ("_DENIED", parse._compiled(parse._DENIED), "search"), ("_ALONE", parse._compiled(parse._ALONE), "fullmatch"),
        ("_RANGE", parse._compiled(parse._RANGE), "match"), ("_PART", parse._compiled(parse._PART), "match"),
    ],
    "datagen.html_text.markup": [("_end", regex.compile(r"</script\s*+>", flags=regex.I), "search")],
    "datagen.curate.rules": [("toxic", rules._pattern("toxic"), "search")],
    "datagen.similarity.same_answer": [("question_words", same_answer._question_words(), "finditer")],
    "datagen.marks": [(opened, pattern, "finditer") for opened, pattern in marks._CLOSES.items()],
    "datagen.teaching.evolve": [("stop_words", evolve._stop_words()[1], "fullmatch")],
}  # fmt: skip
# Their patterns are those of module constants, or never see a row: one character, the words of a command, our own source, the
# names of files.
HELD = {"datagen.similarity.signatures", "datagen.text.tokens", "datagen.answers.headings"}
NO_ROWS = {"datagen.formats.encodings", "datagen.cli.terminal", "datagen.options", "datagen.formats.sources"}


@dataclass(frozen=True)
class Found:
    """A pattern, where it stands, and the methods that it is called by; none where that cannot be read from the source."""

    place: str
    pattern: Any
    uses: frozenset[str]


def _modules() -> Iterator[Any]:
    for info in pkgutil.walk_packages(datagen.__path__, "datagen."):
        if not info.name.endswith("__main__"):
            yield importlib.import_module(info.name)


def _inside(value: Any, depth: int = 0) -> Iterator[Any]:
    """Yield the patterns in a value: itself, or in containers, data classes, bound methods."""
    if isinstance(value, (re.Pattern, regex.Pattern)):
        yield value
    elif isinstance(getattr(value, "__self__", None), (re.Pattern, regex.Pattern)):
        yield value.__self__
    elif depth < 4:
        parts: Any = value if isinstance(value, (list, tuple, set, frozenset)) else ()
        parts = value.values() if isinstance(value, dict) else parts
        if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
            parts = vars(value).values() if hasattr(value, "__dict__") else ()
        for part in parts:
            yield from _inside(part, depth + 1)


def _read(tree: ast.Module) -> tuple[dict[str, set[str]], list[ast.Call]]:
    """Return the methods that each name of a file is called by, and the calls of `re` and `regex` themselves."""
    uses: dict[str, set[str]] = {}
    calls = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in METHODS:
            if of := getattr(node.value, "attr", None) or getattr(node.value, "id", None):
                uses.setdefault(of, set()).add(node.attr)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in CALLS:
            calls.append(node)
    return uses, calls


def _written(module: Any, call: ast.Call) -> tuple[Any, frozenset[str]] | None:
    """Return the pattern of a call and its method; None where its text is made of what only a function knows."""
    assert isinstance(call.func, ast.Attribute)
    named = [k.value for k in call.keywords if k.arg == "flags"] or (call.args[1:2] if call.func.attr == "compile" else [])
    try:
        given = [eval(ast.unparse(node), {**vars(module), **ENGINES}) for node in (call.args[0], *named)]
    except NameError:
        return None
    engine = ENGINES[ast.unparse(call.func.value)]
    return engine.compile(*given), frozenset({call.func.attr} - {"compile"})


def collected() -> tuple[list[Found], set[str]]:
    """Return every pattern of the package, and the modules that make some which are not known here."""
    found: dict[tuple[type, Any, int], Found] = {}
    unknown = set()

    def add(place: str, pattern: Any, uses: frozenset[str]) -> None:
        key = (type(pattern), pattern.pattern, pattern.flags)
        before = found.get(key)
        found[key] = Found(before.place, pattern, before.uses | uses) if before else Found(place, pattern, uses)

    for module in _modules():
        source = inspect.getsource(module)
        uses, calls = _read(ast.parse(source)) if "re." in source or "regex" in source else ({}, [])
        for name, value in vars(module).items():
            for pattern in _inside(value):
                add(f"{module.__name__}.{name}", pattern, frozenset(uses.get(name, ())))
        for call in calls:
            if one := _written(module, call):
                add(f"{module.__name__}:{call.lineno}", *one)
            elif module.__name__ not in {*MADE, *HELD, *NO_ROWS}:
                unknown.add(module.__name__)
        for name, pattern, method in MADE.get(module.__name__, ()):
            add(f"{module.__name__}.{name}", pattern, frozenset({method}))
    return list(found.values()), unknown
