"""datagen makes, curates, mixes and proves instruction-tuning data.

    import datagen as dg
    run = dg.filter(["rows.jsonl"], out="runs/clean", stages=["rules", {"rouge": {"threshold": 0.6}}])
    run.kept.to_pandas(), run.dropped.to_pandas()

Everything is imported when it is first used: `import datagen` alone loads nothing heavy. The functions of generators, teachers
and other kinds of steps are made from the files of those kinds.
"""

from __future__ import annotations

import importlib
import os

TYPE_CHECKING = False  # `python -m datagen` comes by here with the current folder on the import path: it imports little
if TYPE_CHECKING:
    from typing import Any

__version__ = "0.1.0"
_API = ("filter", "opened", "read", "run", "stages", "write")
_OF_KINDS = (
    "answer", "backtranslate", "evolve", "from_pairs", "judge", "magpie", "mix", "rewrite", "self_instruct", "train",
    "translate",
)  # fmt: skip
__all__ = [*_API, *_OF_KINDS, "function"]


def __getattr__(name: str) -> Any:
    if name in _API:
        return getattr(importlib.import_module("datagen.api"), name)
    if name == "function":  # of a kind of one's own: dg.function("mine.riddles")
        return importlib.import_module("datagen.calls").function
    # A kind that came later has a file, and no name here; which of them are functions, its class says.
    if name in _OF_KINDS or os.path.isfile(os.path.join(os.path.dirname(__file__), "kinds", f"{name}.py")):  # noqa: PTH113, PTH118, PTH120
        return importlib.import_module("datagen.calls").function(name)
    raise AttributeError(f"module 'datagen' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
