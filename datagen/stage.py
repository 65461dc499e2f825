"""A stage: score is local, decide is global, only `apply` removes rows.

`score` sees a batch of whole rows and must give the same answer for any batch split; `decide` sees, for all rows at once and
in input order, only the slim columns that the stage declared. A `Verdict` has one entry per row, so a stage cannot lose one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen import options as option_fields
from datagen import step
from datagen.errors import LASTING, DatagenError, UsageError
from datagen.step import Kind
from datagen.verdict import VERDICT, Applied, Context, Reference, Verdict

__all__ = [
    "ERROR", "VERDICT", "Applied", "Context", "Reference", "Stage", "Verdict", "apply", "find", "make", "names",
    "scored",
]  # fmt: skip

ERROR = "error"  # the reason that every stage has: the row broke it
ROOM = "datagen.curate"
SAMPLE = 64  # rows scored first, where the stage may refuse
LEEWAY = 8.0  # a sample may hold so many times the rows that a stage bears


@dataclass(frozen=True)
class Stage(Kind):
    """What every stage is: a frozen dataclass whose fields are its options. One level of inheritance, no registry."""

    called: ClassVar[str] = "stage"
    doer: ClassVar[str] = "datagen.steps.curating:curate"
    reasons: ClassVar[frozenset[str]] = frozenset()  # every reason that decide() may give
    decides: ClassVar[frozenset[str]] = frozenset()  # options that change decide() only, not the scores
    parallel: ClassVar[Literal["rows", "device"]] = "rows"  # score in a pool of processes, or in one with all its threads
    chunk: ClassVar[int] = 4096  # of parallel=device: rows scored between two writes, which is what a kill may cost
    rewrites: ClassVar[bool] = False  # it mends rows with `rewrite`

    def __init_subclass__(cls) -> None:
        """Have the rows of a stage that rewrites mended, not judged."""
        super().__init_subclass__()
        if cls.rewrites:
            cls.doer = "datagen.steps.rewriting:rewrite"

    @property
    def adds(self) -> dict[str, pa.DataType]:
        """Columns of `score` that stay with the rows; one named as a column of ROW takes its place."""
        return {}

    @property
    def marks(self) -> dict[str, pa.DataType]:
        """Columns of the verdict that stay with the rows; one named as a column of ROW takes its place."""
        return {}

    @property
    def protects(self) -> str:
        """What must never be left out though the rest may be better without it, such as leaks; "" = it protects nothing."""
        return ""

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns beside those of ROW, or set by an earlier stage, that `score` wants; absent ones are left out."""
        return ()

    @property
    def files(self) -> dict[str, tuple[str, ...]]:
        """Files that the scores depend on, by role: looked for before any step runs, and hashed."""
        return {}

    @property
    def references(self) -> tuple[str, ...]:
        """Files of rows that the rows are compared with, as if they came before them."""
        return ()

    @property
    def row_files(self) -> tuple[str, ...]:
        """All of these, looked for before any step runs."""
        return (*(path for named in self.files.values() for path in named), *self.references)

    @property
    def guarded(self) -> bool:
        """Whether dropping most of a source, language or tag is more likely a mistake than meant."""
        return False

    @property
    def curve(self) -> tuple[str, tuple[float, ...]] | None:
        """An option of `decides`, and the values at which run.json is to say how many rows the stage would keep."""
        return None

    def identity(self) -> str:
        """Return what the stage's models are, which its scores depend on; asked before any step runs.

        Raises:
            DatagenError: one is not there.
        """
        return ""

    def rewrite(self, rows: pa.Table) -> pa.Table:
        """Return the rows mended, in order, with `reason` and `evidence` where some go; row-local, only if `rewrites`."""
        raise NotImplementedError

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, pa.Array]:
        """Return columns for a batch of rows; row-local: the same answer for any batch split."""
        return {}

    def refuse(self, columns: pa.Table, leeway: float = 1.0) -> None:
        """Raise UsageError where these scores say that the stage's model is the wrong one for the rows.

        Asked of a sample, with some leeway for chance, before a model scores the rest: not after hours.
        """

    def decide(self, columns: pa.Table, ctx: Context) -> Verdict:
        """Return the verdict on all rows at once, from the columns that `score` made, in input order."""
        raise NotImplementedError

    def score_options(self) -> dict[str, Any]:
        """The options that change scores."""
        return {k: v for k, v in option_fields.values(self).items() if k not in self.decides}


def names() -> list[str]:
    """Names of the stages that come with datagen."""
    return step.names(ROOM)


def find(name: str) -> type[Stage]:
    """Return the stage class of a name: `datagen.curate.<name>`, or the user's own module for a dotted name.

    Raises:
        UsageError: there is no such module, or it does not define exactly one Stage.
    """
    return step.find(name, Stage, ROOM)


def make(name: str, options: Mapping[str, Any]) -> Stage:
    """Return the stage of a name with its options read and checked; raises UsageError."""
    return step.make(find(name), options)


def scored(stage: Stage, rows: pa.Table, ctx: Context) -> pa.Table:
    """Return the score columns of a batch and a column `error`, null where the row was scored.

    A batch that raises is halved down to the row that broke, so one bad row costs no other.
    """
    try:
        columns = stage.score(rows, ctx)
        return pa.table({**columns, ERROR: pa.nulls(len(rows), pa.string())})
    except DatagenError:
        raise
    except ImportError as e:  # it would fail at each row
        raise not_importable(stage, e) from None
    except (Exception, SystemExit) as e:  # whatever a row does to a stage, the row is a ledger row
        if isinstance(e, OSError) and e.errno in LASTING:  # a full disk is no fault of any row
            raise
        if len(rows) < 2:
            missing = {n: pa.nulls(len(rows), kind) for n, kind in stage.adds.items()}
            return pa.table({**missing, ERROR: pa.array([f"{type(e).__name__}: {e}"] * len(rows), pa.string())})
        half = len(rows) // 2
        parts = [scored(stage, rows.slice(0, half), ctx), scored(stage, rows.slice(half), ctx)]
        return pa.concat_tables(parts, promote_options="default")


def not_importable(stage: Stage, error: ImportError) -> UsageError:
    """Return what is said of a stage at work that cannot import what it needs."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return UsageError(f"stage '{stage.name}' needs the module '{error.name}': pip install {error.name}")
    return UsageError(f"stage '{stage.name}' cannot import what it needs: {error}")


def apply(
    stage: Stage, columns: pa.Table, alive: npt.NDArray[np.bool_], ctx: Context, reference: Reference | None = None
) -> Applied:  # fmt: skip
    """Decide on the rows that are alive and mark the dropped ones dead: the only code that removes rows.

    Args:
        stage: the stage.
        columns: its scores for every row of the base, with the column `error`.
        alive: bool[n], changed in place.
        ctx: what the stage may use.
        reference: rows of another set that come first and stay.

    Returns:
        What was dropped, and what the stage says of the rows that it judged.

    Raises:
        DatagenError: the stage gave a reason that it does not declare, or a verdict of another length.
    """
    errors = columns.column(ERROR)
    broken = alive & np.asarray(errors.is_valid())
    seen = np.flatnonzero(alive & ~broken)
    verdict = _verdict(stage, columns, seen, ctx, reference)
    reasons = verdict.reason.to_numpy(zero_copy_only=False)
    if len(reasons) != len(seen):
        raise DatagenError(f"stage '{stage.name}' judged {len(reasons)} of {len(seen)} rows")
    dropped = np.flatnonzero(np.asarray(verdict.reason.is_valid()))
    undeclared = set(reasons[dropped]) - stage.reasons
    if undeclared:
        raise DatagenError(f"stage '{stage.name}' gave the undeclared reason '{undeclared.pop()}'")
    table = _dropped(verdict, seen, dropped, reference)
    if broken.any():
        at = np.flatnonzero(broken)
        failed = pa.table({"row": pa.array(at), "reason": pa.array([ERROR] * len(at)), "evidence": errors.take(pa.array(at))})
        table = pa.concat_tables([table, failed], promote_options="default").sort_by("row")
    alive[table.column("row").to_numpy()] = False
    return Applied(table.select(VERDICT.names).cast(VERDICT), seen, verdict.columns, verdict.notes)


def _verdict(
    stage: Stage, columns: pa.Table, seen: npt.NDArray[np.int64], ctx: Context, reference: Reference | None
) -> Verdict:  # fmt: skip
    """Return what the stage says of the rows that are seen, after those of another set where there are some."""
    if not len(seen):  # where every row broke, no column of scores is there
        return Verdict(pa.nulls(0, pa.string()), columns={name: pa.nulls(0, kind) for name, kind in stage.marks.items()})
    # Where all rows are seen nothing is copied.
    mine = columns.drop_columns([ERROR]) if len(seen) == len(columns) else columns.drop_columns([ERROR]).take(pa.array(seen))
    try:
        if reference is None or not len(reference.ids):
            return stage.decide(mine, ctx)
        head = len(reference.ids)
        both = pa.concat_tables([reference.columns.select(mine.column_names), mine], promote_options="default")
        return stage.decide(both, replace(ctx, pinned=head)).without_head(head)
    except ImportError as e:
        raise not_importable(stage, e) from None


def _dropped(
    verdict: Verdict, seen: npt.NDArray[np.int64], dropped: npt.NDArray[np.int64], reference: Reference | None
) -> pa.Table:  # fmt: skip
    """Return the VERDICT table of the dropped positions, positions translated to rows of the base."""
    take = pa.array(dropped)
    nothing = pa.nulls(len(dropped))
    witness = other = nothing
    if verdict.witness is not None:
        near = verdict.witness.take(take).cast(pa.int64())
        here = pc.greater_equal(near, 0)
        witness = pa.array(seen).take(pc.if_else(here, near, pa.scalar(None, pa.int64())))
        if reference is not None:
            back = pc.add(near, len(reference.ids))
            other = reference.ids.take(pc.if_else(here, pa.scalar(None, pa.int64()), back))
    columns = {
        "row": pa.array(seen[dropped]),
        "reason": verdict.reason.take(take),
        "witness": witness,
        "witness_id": other,
        **{
            name: values.take(take) if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array([values] * len(dropped))
            for name, values in (("score", verdict.score), ("threshold", verdict.threshold), ("evidence", verdict.evidence))
        },
    }
    return pa.table({f.name: columns[f.name].cast(f.type) for f in VERDICT})
