"""datagen makes, curates, mixes and proves instruction-tuning data.

    import datagen as dg
    run = dg.filter(["rows.jsonl"], out="runs/clean", stages=["rules", {"rouge": {"threshold": 0.6}}])
    run.kept.to_pandas(), run.dropped.to_pandas()

Everything is imported when it is first used: `import datagen` alone loads nothing heavy.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

TYPE_CHECKING = False  # `python -m datagen` comes by here with the current folder on the import path: it imports little
if TYPE_CHECKING:
    from typing import Any

    # ruff: isort: off
    from datagen.api import backtranslate, filter, from_pairs, magpie, mix, opened, read  # noqa: A004
    from datagen.api import run, self_instruct, stages, teach, train, write
    # ruff: isort: on

__version__ = "0.1.0"
__all__ = [
    "backtranslate", "filter", "from_pairs", "magpie", "mix", "opened", "read", "run", "self_instruct", "stages", "teach",
    "train", "write",
]  # fmt: skip


class _Room(ModuleType):
    """A room that is also a function: `datagen.mix` is the package, and calling it is the command."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        from datagen import api

        return getattr(api, self.__name__.removeprefix("datagen."))(*args, **options)


class _Face(ModuleType):
    """The package: four of its functions share their name with a room, which an import sets as an attribute.

    (PEP 562's `__getattr__` is asked only where there is no attribute, and so serves the other names.)
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _ROOMS and type(value) is ModuleType:
            value.__class__ = _Room
        super().__setattr__(name, value)


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"datagen.{name}")
    if name in __all__:
        return getattr(importlib.import_module("datagen.api"), name)
    raise AttributeError(f"module 'datagen' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


_ROOMS = ("mix", "run", "teach", "train")
sys.modules[__name__].__class__ = _Face
