"""Which rows make the mixture: counts per source to repeats per row, and a reason for each row that is not taken."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.data.dataset import Dataset
from datagen.data.rows import Row
from datagen.data.shards import read_all
from datagen.json_text import dumps
from datagen.kinds.mix import Mix
from datagen.mixture.grid import Found
from datagen.mixture.weights import counts, order, repeats, shares
from datagen.verdict import VERDICT

Search = Callable[[pa.Table, Mapping[str, int]], Found]


@dataclass(frozen=True)
class Plan:
    """A decided mixture.

    Shapes: repeat int32[n_rows], 0 where a row is not taken; dropped: the VERDICT rows of those, reasons `over_quota` (score:
    the row's place in its source's order; threshold: how many rows were wanted, repeats counted) and `held_out`.
    """

    repeat: npt.NDArray[np.int32]
    dropped: pa.Table
    sources: dict[str, dict[str, Any]]
    grid: dict[str, Any] | None

    def written(self) -> dict[str, Any]:
        """The content of mix.json."""
        return {"sources": self.sources, **({"grid": self.grid} if self.grid else {})}


def decide(data: Dataset, sizes: Mapping[str, int], options: Mix, search: Search) -> Plan:
    """Decide how often each row is taken.

    Args:
        data: the rows of all sources, one source after the other.
        sizes: rows of each source, in that order.
        options: the rule; with `grid` the weights come from `search`.
        search: trains the proxies.
    """
    found = search(read_all(data.rows), sizes) if options.grid else None
    held = found.held_out if found else {}
    usable = {n: size - len(held.get(n, ())) for n, size in sizes.items()}
    if found:
        options = Mix(
            sources=options.sources, method="weights", weights=dict(found.weights), rows=options.rows, seed=options.seed
        )
    wanted = counts(usable, options)
    share = shares(usable, options)
    repeat, verdict = _taken(sizes, wanted, held, options.seed)
    told = {
        n: {
            "rows": sizes[n], "held_out": sizes[n] - usable[n], "share": round(share[n], 6), "taken": wanted[n],
            "epochs": round(wanted[n] / usable[n], 4) if usable[n] else 0.0,
        }
        for n in sizes
    }  # fmt: skip
    return Plan(repeat, verdict, told, found.written() if found else None)


def _taken(
    sizes: Mapping[str, int], wanted: Mapping[str, int], held: Mapping[str, npt.NDArray[np.int64]], seed: int
) -> tuple[npt.NDArray[np.int32], pa.Table]:
    """Return the repeats of all rows, and the verdict on those that are not taken."""
    parts, tables, start = [], [VERDICT.empty_table()], 0
    for name, size in sizes.items():
        places, out = order(size, name, seed), held.get(name, np.empty(0, np.int64))
        here = np.zeros(size, np.int32)
        free = places[~np.isin(places, out)]  # a fixed order, so that what is taken is a prefix of it
        here[free] = repeats(len(free), wanted[name])
        rank = np.empty(size, np.int64)
        rank[places] = np.arange(size)
        left = np.flatnonzero(here == 0)
        reason = np.where(np.isin(left, out), "held_out", "over_quota")
        fate: dict[str, Any] = {
            "row": start + left, "reason": reason, "score": rank[left].astype(float),
            "threshold": np.full(len(left), float(wanted[name])),
            "evidence": [f"place {rank[row] + 1} of {size} in the order of {name}; {wanted[name]} taken" for row in left],
        }  # fmt: skip
        columns = [pa.array(fate[f.name], f.type) if f.name in fate else pa.nulls(len(left), f.type) for f in VERDICT]
        tables.append(pa.table(columns, schema=VERDICT))
        parts.append(here)
        start += size
    repeat = np.concatenate(parts) if parts else np.empty(0, np.int32)
    return repeat, pa.concat_tables(tables)


def renamed(row: Row, source: str) -> Row:
    """Return a row of another step under its name in the mixture; the old source stays in `extra`."""
    if row["source"] in ("", source):
        return {**row, "source": source}
    extra = json.loads(row["extra"]) if row["extra"] else {}
    extra.setdefault("source", row["source"])
    return {**row, "source": source, "extra": dumps(extra)}
