"""A kind of step: what it says of itself, with its options as the fields of a frozen dataclass; found by its file.

Whoever runs, quotes, shows or explains steps asks them through this contract and knows none by its name.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NoReturn, Self, TypeVar

from datagen import options as option_fields
from datagen.errors import UsageError, did_you_mean

ROOMS = ("datagen.kinds", "datagen.curate")  # where a name without a dot is looked for: each file of these is one kind


@dataclass(frozen=True)
class Kind:
    """What every kind of step is. Each is one file; of what some kinds share there are `Stage`, `Generator` and `Teacher`."""

    called: ClassVar[str] = "step"  # before its name in messages
    version: ClassVar[int] = 1  # bump when results change: enters the fingerprints
    doer: ClassVar[str] = ""  # `module:function` that does it in a run folder; loaded when it is at work
    place: ClassVar[Literal["first", "between", "last"]] = "between"  # in a recipe; first: it makes rows without an input
    starts: ClassVar[bool] = False  # it may stand first without an input, though it need not
    once: ClassVar[bool] = False  # it stands at most once in a recipe
    makes_model: ClassVar[str] = ""  # for a step after it, which names this one as its `model`; an example of such a step
    leaves: ClassVar[tuple[str, ...]] = ()  # what it writes into the run folder itself, beside its own
    usage: ClassVar[tuple[str, ...]] = ()  # lines of a shell, shown where its options are
    command: ClassVar[bool] = False  # it has a command and a function; a kind of one's own has both anyway
    lead: ClassVar[str] = "rows"  # the first argument of these, one of `calls.LEADS`; "" = nothing is read
    goes_on: ClassVar[bool] = False  # its paid answers are used again by a run of other options in the same folder

    def __new__(cls, *_: Any, **given: Any) -> Self:
        """Refuse an unknown option before the dataclass does, whose error names no other; raises UsageError."""
        option_fields.refuse_unknown(cls, given)
        return super().__new__(cls)

    @property
    def name(self) -> str:
        """The one name of its kind: that of its file; the dotted name of a user's module."""
        return name_of(type(self))

    @property
    def changed(self) -> tuple[int, ...]:
        """What its version adds to a fingerprint: nothing where it is the first, so that older run folders stay as they are."""
        return (self.version,) if self.version > 1 else ()

    def lacks(self, method: str, name: str) -> NoReturn:
        """Raise UsageError: it says in neither of two ways who does its work."""
        raise UsageError(f"{self.called} '{self.name}' has neither a method {method}() nor {name} = 'module:function'")

    @property
    def row_files(self) -> tuple[str, ...]:
        """Files of rows that it reads beside the input, looked for before any step runs."""
        return ()

    @property
    def documents(self) -> tuple[str, ...]:
        """Files or folders of documents that it reads."""
        return ()

    @property
    def trained_from(self) -> str:
        """The base model that it trains, which must be there before any step runs; "" where it trains none."""
        return ""

    @property
    def takes_model(self) -> str:
        """The value of its option `model`, which may name a step before it that trains one; "" without such an option."""
        return str(option_fields.values(self).get("model") or "")

    @property
    def needs_answers(self) -> Literal["", "any", "needed"]:
        """What the first step that is not "" asks of the input: rows with answers, or rows whether they have one or not."""
        return ""

    @property
    def incremental(self) -> bool:
        """Whether its verdict on a row needs none of the rows after it, so that new rows can be judged by themselves."""
        return False

    @property
    def takes_from(self) -> tuple[str, ...] | None:
        """The names of earlier steps whose rows it takes; None = it takes those of the step before it, whatever its name."""
        return None

    def check_passages(self, name: str, rows: Iterable[dict[str, Any]]) -> None:
        """Raise UsageError where it will not read what comes to it; asked before instructions are written for passages.

        Args:
            name: of the step in its recipe.
            rows: the passages, read as far as it takes.
        """


K = TypeVar("K", bound=Kind)


def name_of(cls: type[Kind]) -> str:
    """Return the name of a kind: its file's in a room of ours, the dotted one of a user's module."""
    room, _, file = cls.__module__.rpartition(".")
    return file if room in ROOMS else cls.__module__


def names(room: str | None = None) -> list[str]:
    """Return the names of the kinds that come with datagen, of one room or of all."""
    return sorted(name for name, of in _rooms().items() if room in (None, of))


@functools.cache
def _rooms() -> dict[str, str]:
    """Return the room of each kind that comes with datagen."""
    return {m.name: room for room in ROOMS for m in pkgutil.iter_modules(importlib.import_module(room).__path__)}


def find(name: str, base: type[K], room: str | None = None) -> type[K]:
    """Return the class of a kind: of the file of that name in a room of ours, or of the user's own module for a dotted name.

    Args:
        name: the name.
        base: what it must be: `Kind`, or one such as `Stage`.
        room: look there only.

    Raises:
        UsageError: there is no such module, or it does not define exactly one kind.
    """
    what, known = base.called, names(room)
    if not all(part.isidentifier() for part in name.split(".")):
        raise UsageError(f"'{name}' is not the name of a {what}{did_you_mean(name, known)}")
    if "." not in name and name not in known:
        raise UsageError(f"there is no {what} '{name}'{did_you_mean(name, known)}")
    path = name if "." in name else f"{_rooms()[name]}.{name}"
    module = imported(name, path, what)
    found = [
        c for c in vars(module).values()
        if inspect.isclass(c) and issubclass(c, base) and c is not base and c.__module__ == path
    ]  # fmt: skip
    if len(found) != 1:
        said = "Kind" if base is Kind else base.__name__
        raise UsageError(f"{what} '{name}': {path} defines {len(found)} subclasses of {said}; it must define one")
    return found[0]


def imported(name: str, path: str, what: str) -> Any:
    """Return the module of a name: of a room of ours, or a user's own, which may lie in the current folder.

    Args:
        name: as the user says it.
        path: the module's.
        what: an error calls it, such as `stage`.

    Raises:
        UsageError: it cannot be imported.
    """
    if path == name:
        look_in_current_folder(name.partition(".")[0])
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as e:
        if e.name is not None and not f"{path}.".startswith(f"{e.name}."):
            raise UsageError(f"{what} '{name}' needs the module '{e.name}': pip install {e.name}") from None
        raise UsageError(f"there is no {what} '{name}': cannot import {path}") from None
    except (Exception, SystemExit) as e:  # noqa: BLE001 - a user's module may fail in any way when it is imported
        raise UsageError(f"{what} '{name}': {path} cannot be imported: {type(e).__name__}: {e}") from None


def look_in_current_folder(package: str) -> None:
    """Put the current folder last on the import path, for a module of the user's own that is nowhere else.

    It stays there: what such a module imports when it is at work, and in a pool's processes, may lie there too.
    """
    if package not in sys.modules and importlib.util.find_spec(package) is None and (here := str(Path.cwd())) not in sys.path:
        sys.path.append(here)


def make(cls: type[K], options: Mapping[str, Any]) -> K:
    """Return a kind with its options read and checked; raises UsageError."""
    return option_fields.build(cls, options, f"{cls.called} '{name_of(cls)}'")


def summary(cls: type[Kind]) -> str:
    """Return the first line of a kind's docstring."""
    return (cls.__doc__ or "").split("\n")[0]


def loaded(reference: str) -> Any:
    """Return what a text `module:name` refers to, its module imported now: what is heavy waits until it is needed."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
