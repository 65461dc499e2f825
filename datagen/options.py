"""Options are the fields of frozen dataclasses: read from text or YAML, checked by type, described for help pages.

A field holds what its option means, so that the command line, `dg.*` and the docs are made from it and cannot differ.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from datagen.errors import UsageError, did_you_mean, nearest

T = TypeVar("T")
REQUIRED = "(required)"  # shown in place of a default


def build(cls: type[T], options: Mapping[str, Any], where: str) -> T:
    """Return an instance of an options dataclass from named values; texts are read as the field's type.

    Args:
        cls: a dataclass whose fields are its options.
        options: values by name, as YAML or the command line gives them.
        where: what an error calls it, such as `stage 'rouge'`.

    Raises:
        UsageError: an unknown option, a value of the wrong type, or one that `__post_init__` refuses.
    """
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    filled = getattr(cls, "filled", None)  # of a class one of whose options stands for several
    values = read(cls, filled(options) if filled else options, where)
    missing = [n for n, f in fields.items() if n not in values and not _has_default(f)]
    if missing:
        raise UsageError(f"{where} needs the option '{missing[0]}'")
    try:
        return cls(**values)
    except ValueError as e:
        raise UsageError(f"{where}: {e}") from None


def read(cls: type[Any], options: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return named values as the types of a class's fields; raises UsageError as `build`, which makes an instance of them."""
    types_ = typing.get_type_hints(cls)
    refuse_unknown(cls, options, where)
    return {name: _read(value, types_[name], f"{where}, option '{name}'") for name, value in options.items()}


def refuse_unknown(cls: type[Any], options: Mapping[str, Any], where: str = "") -> None:
    """Raise UsageError where one of the options is none of the class, with those that it may be a slip of."""
    known = [f.name for f in dataclasses.fields(cls) if f.init]
    if unknown := [str(name) for name in options if name not in known]:
        raise UsageError(f"{where or cls.__name__} has no option '{unknown[0]}'{did_you_mean(unknown[0], known)}")


def values(options: Any) -> dict[str, Any]:
    """Return every option of an instance by name, tuples as lists, for recipes, `run.json` and fingerprints."""
    found = {f.name: getattr(options, f.name) for f in dataclasses.fields(options) if f.init}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in found.items()}


def option(
    default: Any = dataclasses.MISSING, meaning: str = "", *, factory: Any = dataclasses.MISSING, group: str = "",
    repeat: bool = False,
) -> Any:  # fmt: skip
    """Return a field of an options dataclass.

    Args:
        default: its value where none is given.
        meaning: what it is, as a phrase that follows its name; units, and what `off` stands for.
        factory: makes the default, where that is a map.
        group: the heading under which help pages show it; "" = among the first.
        repeat: its values may hold commas: the command line takes one at a time, several times.
    """
    about = {"meaning": meaning, "group": group, "repeat": repeat}
    return dataclasses.field(default=default, default_factory=factory, metadata=about)


@dataclasses.dataclass(frozen=True)
class Option:
    """One option, as help pages show it."""

    name: str
    kind: Any  # the type of its values
    default: Any  # REQUIRED where there is none
    meaning: str
    group: str = ""
    repeat: bool = False

    @property
    def choices(self) -> tuple[Any, ...]:
        """The legal values, where they are a closed set: of itself, or of the items of a list."""
        inner = next((a for a in get_args(self.kind) if get_origin(a) is Literal), self.kind)
        return get_args(inner) if get_origin(inner) is Literal else ()


def listed(cls: type[Any]) -> list[Option]:
    """Return the options of a class: its own before those that it inherits."""
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}
    own = [name for base in cls.__mro__ for name in vars(base).get("__annotations__", ()) if name in fields]
    types_ = typing.get_type_hints(cls)
    found = []
    for field in (fields[name] for name in dict.fromkeys(own)):
        default = REQUIRED if field.default is dataclasses.MISSING else field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        about = field.metadata
        found.append(
            Option(
                field.name, types_[field.name], default, about.get("meaning", ""), about.get("group", ""),
                repeat=bool(about.get("repeat")),
            )
        )  # fmt: skip
    return found


def shown(value: Any) -> str:
    """Return a value as it is written on a command line."""
    if value is None:
        return "off"
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


def help_of(option: Option) -> str:
    """Return what an option means, its legal values and its default, as sentences."""
    said, first = option.meaning, option.meaning.partition(" ")[0].strip(":,")
    if first not in {*map(str, option.choices), str(option.default)}:  # a value stays as it is written
        said = said[:1].upper() + said[1:]
    off = isinstance(option.default, bool) or option.default in (None, "", (), {})
    if not option.choices:
        return f"{said}." if off else f"{said}. Default {shown(option.default)}."
    values = ", ".join(map(str, option.choices))
    if off or option.default == option.choices:
        return f"{said}. One of {values}."
    return f"{said}. One of {values}; default {shown(option.default)}."


def between(name: str, value: float, low: float, high: float, *, open_high: bool = False) -> None:
    """Raise ValueError unless low <= value <= high (< high with `open_high`); for `__post_init__`."""
    if not (low <= value <= high) or (open_high and value == high):
        raise ValueError(f"{name} must be at least {low:g} and {'below' if open_high else 'at most'} {high:g}, not {value:g}")


def check_same_answer(same_answer: float | None, short_answer: int) -> None:
    """Check the two options of the duplicate stages that say when answers are the same."""
    if same_answer is not None:
        between("same_answer", same_answer, 0, 1, open_high=True)
    between("short_answer", short_answer, 0, 1_000_000)


def split_stage(text: str) -> tuple[str, dict[str, Any]]:
    """Read `NAME[:option=value,…]`: commas split only before `[a-z_]+=`; a repeated option makes a list.

    Raises:
        UsageError: a piece without `=`.
    """
    import re

    name, _, rest = text.partition(":")
    options: dict[str, Any] = {}
    for piece in re.split(r",(?=[a-z_]+=)", rest) if rest else []:
        option, equals, value = piece.partition("=")
        if not equals:
            raise UsageError(f"--stage {text}: '{piece}' is not option=value")
        if option in options:
            before = options[option]
            options[option] = [*before, value] if isinstance(before, list) else [before, value]
        else:
            options[option] = value
    return name.strip(), options


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _read(value: Any, kind: Any, where: str) -> Any:
    """Return a value as the type of its field, or raise a one-line UsageError that says what is allowed."""
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if type(None) in args and (value is None or value == "off" or value is False):
            return None
        inner = [a for a in args if a is not type(None)]
        return _read(value, inner[0] if len(inner) == 1 else str, where)
    if origin is Literal:
        if value in args:
            return value
        raise UsageError(f"{where}: '{value}' is not one of {', '.join(map(str, args))}{nearest(str(value), map(str, args))}")
    if origin is tuple:
        items = value if isinstance(value, (list, tuple)) else str(value).split(",")
        return tuple(_read(item, args[0], where) for item in items)
    if origin is dict:
        return _map(value, where, named=args[1:] != (Any,))
    if kind is Any:
        return value
    if isinstance(value, (list, dict)):
        raise UsageError(f"{where}: expected one {kind.__name__}, not {value!r}")
    return _scalar(value, kind, where)


def _map(value: Any, where: str, *, named: bool) -> dict[Any, Any]:
    """Return names and values; `named`: a text may give them as `name=value,name=value`."""
    if isinstance(value, str):
        value = _object(value, where, named=named)
    if isinstance(value, Mapping):
        return dict(value)
    if named:
        raise UsageError(f"{where}: {value!r} is not name=value")
    raise UsageError(f'{where}: expected names and values, such as {{"top_k": 20}} in JSON, not {value!r}')


def _object(text: str, where: str, *, named: bool) -> Any:
    """Return what a text holds as JSON, or as `name=value,name=value` where values are texts; the text when it is neither."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    pairs = [[part.strip() for part in piece.partition("=")] for piece in _pieces(text)]
    if not named or not all(name and equals for name, equals, _ in pairs):
        return text
    names = [name for name, _, _ in pairs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"{where}: '{twice}' stands twice")
    return {name: value for name, _, value in pairs}


def _pieces(text: str) -> list[str]:
    """Split `a=1,b=2` before each name, so that a value may hold commas."""
    import re

    return re.split(r",(?=[^,=]+=)", text)


def _scalar(value: Any, kind: Any, where: str) -> Any:
    if kind is bool:
        words = {"true": True, "on": True, "yes": True, "1": True, "false": False, "off": False, "no": False, "0": False}
        if isinstance(value, bool) or str(value).lower() in words:
            return value if isinstance(value, bool) else words[str(value).lower()]
        raise UsageError(f"{where}: '{value}' is not on or off")
    if kind in (int, float):
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = float("nan")
        if isinstance(value, bool) or number != number or (kind is int and not number.is_integer()):
            raise UsageError(f"{where}: '{value}' is not {'a whole number' if kind is int else 'a number'}")
        return number if kind is float else value if isinstance(value, int) else int(number)
    if kind is str:
        return str(value)
    return value
