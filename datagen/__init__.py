"""datagen makes, curates, mixes and proves instruction-tuning data.

    import datagen as dg
    run = dg.filter(["rows.jsonl"], out="runs/clean", stages=["rules", {"rouge": {"threshold": 0.6}}])
    run.kept.to_pandas(), run.dropped.to_pandas()

Everything is imported when it is first used: `import datagen` alone loads nothing heavy.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datagen.api import filter, mix, opened, read, run, stages, train, write  # noqa: A004

__version__ = "0.1.0"
__all__ = ["filter", "mix", "opened", "read", "run", "stages", "train", "write"]


class _Face(ModuleType):
    """The package as people use it: `datagen.mix` is the function, though a room of that name exists.

    Importing a submodule sets it as an attribute of its package, which would hide a function of the same name; a property
    comes first. (PEP 562's `__getattr__` is asked only when there is no attribute.)
    """

    def __dir__(self) -> list[str]:
        return sorted({*vars(self), *__all__})


def _lazy(name: str) -> property:
    def get(_: ModuleType) -> Any:
        from datagen import api

        return getattr(api, name)

    def leave(_: ModuleType, room: object) -> None:
        """A submodule of the same name was imported; sys.modules has it, and `from datagen.mix import …` finds it there."""

    return property(get, leave)


for _name in __all__:
    setattr(_Face, _name, _lazy(_name))
sys.modules[__name__].__class__ = _Face
