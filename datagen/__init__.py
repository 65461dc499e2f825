"""datagen makes, curates, mixes and proves instruction-tuning data.

    import datagen as dg
    run = dg.filter(["rows.jsonl"], out="runs/clean", stages=["rules", {"rouge": {"threshold": 0.6}}])
    run.kept.to_pandas(), run.dropped.to_pandas()

Everything is imported when it is first used (PEP 562): `import datagen` alone loads nothing heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datagen.api import filter, mix, read, run, stages, train, write  # noqa: A004

__version__ = "0.1.0"
__all__ = ["filter", "mix", "read", "run", "stages", "train", "write"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from datagen import api

        return getattr(api, name)
    raise AttributeError(f"module 'datagen' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(__all__)
