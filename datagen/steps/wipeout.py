"""The wipe-out guard: a duplicate or quality stage that drops most of a source, a language or a tag stops the run.

What is near enough to be a duplicate differs between sets: templated rows, tool calls and short questions have been wiped out
by thresholds that were right elsewhere (859,092 rows to 2 in one published case). So it is asked for by name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.data.dataset import Dataset, reason_counts
from datagen.errors import DataError

if TYPE_CHECKING:
    from datagen.recipe import Step
    from datagen.work import Run

LEAST = 100  # rows of a group; a smaller one may be a few real duplicates
SHARE = 0.5  # of a group that may go


def check(run: Run, step: Step, data: Dataset, before: npt.NDArray[np.bool_], dropped: pa.Table) -> None:
    """Stop where the stage drops more than half of a group; `--allow-wipeout` lets it.

    Args:
        run: the run.
        step: the stage's step.
        data: its rows.
        before: bool[n], the rows that the stage judged.
        dropped: its VERDICT rows.

    Raises:
        DataError: naming the group, the counts and the commonest reason.
    """
    gone = np.zeros(len(before), bool)
    gone[dropped.column("row").to_numpy()] = True
    if run.allow_wipeout or not step.options.guarded or gone.sum() <= LEAST * SHARE:
        return
    for name in ("source", "language", "tags"):
        column = data.column(name)
        if column is None:
            continue
        for value, rows, lost in _groups(column, before, gone):
            if value and rows >= LEAST and lost > SHARE * rows:
                reason = next(iter(reason_counts([dropped])))
                group = "tag" if name == "tags" else name
                raise DataError(
                    f"stage '{step.name}' drops {lost:,} of the {rows:,} rows of {group} '{value}' (mostly {reason}): loosen it"
                    f" with --set, or --allow-wipeout if that is meant; nothing was dropped"
                )
    if (rows := int(before.sum())) >= LEAST and (lost := int(gone.sum())) > SHARE * rows:
        reason = next(iter(reason_counts([dropped])))
        raise DataError(
            f"stage '{step.name}' drops {lost:,} of {rows:,} rows (mostly {reason}): loosen it with --set, or --allow-wipeout"
            " if that is meant; nothing was dropped"
        )


def _groups(
    column: pa.ChunkedArray, before: npt.NDArray[np.bool_], gone: npt.NDArray[np.bool_]
) -> list[tuple[str, int, int]]:  # fmt: skip
    """Return each value of a column with its rows before and the rows lost; of a list column each element's."""
    whole = column.combine_chunks()
    rows = np.arange(len(whole))
    if pa.types.is_list(whole.type):
        rows = pc.list_parent_indices(whole).to_numpy()
        whole = pc.list_flatten(whole)
    coded = whole.dictionary_encode()
    codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    known = codes >= 0
    size = len(coded.dictionary)
    counts = np.bincount(codes[known & before[rows]], minlength=size)
    lost = np.bincount(codes[known & gone[rows]], minlength=size)
    names = coded.dictionary.to_pylist()
    return [(str(names[i]), int(counts[i]), int(lost[i])) for i in np.argsort(-lost, kind="stable")]
