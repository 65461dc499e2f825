"""What a stage may use, and what it says of the rows: a verdict has one entry per row, so that a stage cannot lose one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

VERDICT = pa.schema(
    [
        ("row", pa.int64()),  # position among all rows of the base
        ("reason", pa.string()),
        ("score", pa.float64()),
        ("threshold", pa.float64()),
        ("witness", pa.int64()),  # position of the row that caused the drop, null = none, or one of another set
        ("witness_id", pa.string()),  # its id where it is of another set (`against`)
        ("evidence", pa.string()),
    ]
)


@dataclass(frozen=True)
class Reference:
    """Rows of another set, as a stage's own scores of them: they cannot be dropped, and whatever repeats one goes."""

    columns: pa.Table
    ids: pa.Array


def _untold(*_: Any) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Context:
    """What a stage may use beside its options: a folder for what it buys, other sets of rows.

    `pinned` is how many rows at the head of the columns that `decide` sees are of another set: they stay whatever it says.
    """

    pinned: int = 0
    folder: Path | None = None  # of the run; a stage that asks a model keeps its journal there
    offline: bool = False  # models answer from the journal alone
    opened: Callable[[Any, Sequence[int]], None] = _untold  # told of a stage's chat before it asks, and of the rows' places
    at: Callable[[int, str], None] = _untold  # told how many rows of a batch are done, and what of it, where that takes long
    say: Callable[[str], None] = _untold  # told of what a person should know while it works


@dataclass(frozen=True)
class Verdict:
    """One entry per row that `decide` saw: a null reason keeps it.

    Shapes: reason string[n]; score and threshold float64[n], or one number for all rows; witness int64[n], a position among
    the same n rows, null = none; evidence string[n]. Anything but the reason may be left out. `columns` holds values that
    only all rows together give, one array of n for each name that the stage's `marks` declares; `notes` what run.json and the
    report say of the decision.
    """

    reason: pa.Array
    score: pa.Array | float | None = None
    threshold: pa.Array | float | None = None
    witness: pa.Array | None = None
    evidence: pa.Array | None = None
    columns: Mapping[str, pa.Array] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)

    def without_head(self, n: int) -> Verdict:
        """Return the verdict on all rows but the first n; a witness among those is a negative position: -n is the first."""

        def cut(values: Any) -> Any:
            return values.slice(n) if isinstance(values, (pa.Array, pa.ChunkedArray)) else values

        witness = None if self.witness is None else pc.subtract(self.witness.slice(n), n)
        columns = {name: values.slice(n) for name, values in self.columns.items()}
        return Verdict(
            self.reason.slice(n), cut(self.score), cut(self.threshold), witness, cut(self.evidence), columns, self.notes
        )


@dataclass(frozen=True)
class Applied:
    """What a stage did: the VERDICT rows of what it dropped in input order, and per row judged its `marks`."""

    dropped: pa.Table
    judged: npt.NDArray[np.int64]  # positions of the rows that decide saw
    columns: Mapping[str, pa.Array]
    notes: Mapping[str, Any]


def because(reason: str, dropped: npt.NDArray[np.bool_]) -> pa.Array:
    """Return one reason where a row is dropped, null where it stays."""
    return pa.array([reason if d else None for d in dropped], pa.string())


def repetition(
    reason: str, witness: npt.NDArray[np.int64], score: npt.NDArray[np.float64], threshold: float,
    notes: Mapping[str, Any] | None = None,
) -> Verdict:  # fmt: skip
    """Return the verdict that drops every row with a witness (int64[n], -1 = none) for one reason."""
    dropped = witness >= 0
    return Verdict(
        because(reason, dropped),
        score=pa.array(score, mask=~dropped),
        threshold=pa.array(np.full(len(witness), threshold), mask=~dropped),
        witness=pa.array(witness, mask=~dropped),
        notes=notes or {},
    )
