"""Which rows make a set of a given size: quotas per tag, source or language, and complexity-first diverse sampling."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from datagen.data.quotas import quotas
from datagen.errors import UsageError
from datagen.options import between, option
from datagen.stage import Context, Stage, Verdict
from datagen.verdict import because

NOTHING = "(none)"  # the group of rows without a source, a language or a tag
CURVE = 20  # points of the coverage curve


@dataclass(frozen=True)
class Balance(Stage):
    """Keep a subset of a given size: balanced over source, language or tags, or diverse by tags.

    `by=source|language|tags`: each group's share is T5's, its rows to the power of 1 / `temperature` (1 = as they are, higher =
    more equal), none above `cap` rows; a row of several tags counts for its rarest. Which rows is drawn by the seed, as a
    prefix of one fixed order, so that a larger size contains a smaller one. `by=diversity`: InsTag's complexity-first diverse
    sampling: rows with the most tags first, in passes; in each a row is taken when it brings a tag that the pass has not had.
    Rows without tags come last. run.json has the coverage of tags beside that of a random subset of the same size.
    Source: Raffel et al. 2020 (T5) §3.5.2; Lu et al. 2023 (InsTag), algorithm 1.
    """

    by: Literal["source", "language", "tags", "diversity"] = option("source", "what is balanced")
    size: int | None = option(None, "rows to keep; off = all that cap and shares allow")
    temperature: float = option(1.0, "T: share ~ rows ** (1 / T)")
    cap: int | None = option(None, "most rows of one group; off = no limit")
    seed: int = option(17, "which rows of a group")

    version: ClassVar[int] = 1
    reasons: ClassVar[frozenset[str]] = frozenset({"over_quota", "not_in_subset"})
    decides: ClassVar[frozenset[str]] = frozenset({"by", "size", "temperature", "cap", "seed"})

    def __post_init__(self) -> None:
        between("temperature", self.temperature, 1, float("inf"))
        between("seed", self.seed, 0, 2**32 - 1)
        for name, value in (("size", self.size), ("cap", self.cap)):
            if value is not None and value < 1:
                raise ValueError(f"{name} must be 1 or more, not {value}")

    def identity(self) -> str:
        """Make sure that it is said how many rows stay."""
        if self.size is None and self.cap is None:
            raise UsageError("balance needs to know how many rows stay: --stage balance:size=N, or cap=N rows of each group")
        return ""

    @property
    def reads(self) -> tuple[str, ...]:
        """What is balanced, as earlier stages left it."""
        return ("source", "language", "tags")

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, pa.Array]:
        """Return the columns that say which group a row is in."""
        return {
            "tags_of_row": rows.column("tags").combine_chunks().cast(pa.list_(pa.string())),
            "source_of_row": rows.column("source").combine_chunks().cast(pa.string()),
            "language_of_row": rows.column("language").combine_chunks().cast(pa.string()),
        }

    def decide(self, columns: pa.Table, ctx: Context) -> Verdict:
        """Keep the subset."""
        n = len(columns)
        self._check(columns)
        tags = [list(dict.fromkeys(t or ())) for t in columns.column("tags_of_row").to_pylist()]
        size = n if self.size is None else min(self.size, n)
        if self.by == "diversity":
            taken = diverse(tags, size)
            gone = np.ones(n, bool)
            gone[taken] = False
            return Verdict(
                because("not_in_subset", gone), notes={**self._short(len(taken)), "coverage": coverage(tags, taken, self.seed)}
            )
        groups = self._groups(columns, tags)
        taken, wanted = self._quotas(groups, size)
        gone = np.ones(n, bool)
        gone[taken] = False
        notes: dict[str, Any] = {
            **self._short(len(taken)),
            "groups": {g: {"rows": len(m), "taken": wanted[g]} for g, m in groups.items()},
        }
        if any(tags):
            notes["coverage"] = coverage(tags, taken, self.seed)
        return Verdict(because("over_quota", gone), notes=notes)

    def _short(self, taken: int) -> dict[str, int]:
        """How many rows were asked for, where there are not so many."""
        return {"asked_for": self.size} if self.size is not None and taken < self.size else {}

    def _check(self, columns: pa.Table) -> None:
        """Make sure that there is what is balanced: a subset by tags that no row has would only look chosen."""
        if self.by == "source" or not len(columns):
            return
        if self.by == "language":
            there, missing = pc.utf8_length(columns.column("language_of_row")), "a language: put --stage rules:use=language"
        else:
            there, missing = pc.list_value_length(columns.column("tags_of_row")), "a tag: put --stage tag"
        if not pc.any(pc.greater(there, 0)).as_py():
            raise UsageError(f"stage 'balance': no row has {missing} before it")

    def _groups(self, columns: pa.Table, tags: list[list[str]]) -> dict[str, list[int]]:
        """Return the rows of each group, groups in order of appearance."""
        if self.by == "tags":
            count = Counter(tag for of in tags for tag in of)
            names = [min(of, key=lambda tag: (count[tag], tag)) if of else NOTHING for of in tags]
        else:
            names = [name or NOTHING for name in columns.column(f"{self.by}_of_row").to_pylist()]
        groups: dict[str, list[int]] = {}
        for row, name in enumerate(names):
            groups.setdefault(name, []).append(row)
        return groups

    def _quotas(self, groups: dict[str, list[int]], size: int) -> tuple[list[int], dict[str, int]]:
        """Return the rows that are taken, and how many of each group; what a group cannot give, others give."""
        most = {g: min(len(m), self.cap or len(m)) for g, m in groups.items()}
        weights = [len(m) ** (1 / self.temperature) for m in groups.values()]
        wanted = _capped(weights, list(most.values()), min(size, sum(most.values())))
        taken: list[int] = []
        for (name, members), count in zip(groups.items(), wanted, strict=True):
            order = np.random.default_rng([self.seed, *name.encode()]).permutation(len(members))
            taken += [members[i] for i in order[:count]]
        return taken, dict(zip(groups, wanted, strict=True))


def _capped(weights: Sequence[float], most: Sequence[int], total: int) -> list[int]:
    """Return one count per weight, summing to `total`, none above its limit; a larger total never takes one away.

    A group at its limit leaves the division, and the rest is divided among the others (water filling on Sainte-Laguë).
    """
    fixed: dict[int, int] = {}
    while True:
        open_ = [i for i in range(len(weights)) if i not in fixed]
        left = total - sum(fixed.values())
        shares = quotas([weights[i] for i in open_], left) if open_ and left else [0] * len(open_)
        over = [i for i, share in zip(open_, shares, strict=True) if share > most[i]]
        if not over:
            return [fixed[i] if i in fixed else shares[open_.index(i)] for i in range(len(weights))]
        fixed.update({i: most[i] for i in over})


def diverse(tags: Sequence[Sequence[str]], size: int) -> list[int]:
    """Return `size` rows by complexity-first diverse sampling, in the order in which they are taken (so a prefix nests).

    Ties between rows with equally many tags go to the earlier row; rows without tags come last, in order: a pass over them
    would take none and never end.
    """
    # Of rows with the same tags a pass takes one at most, the first that is left: passes go over tag sets, not over rows.
    queues: dict[frozenset[str], deque[int]] = {}
    for row, of in enumerate(tags):
        if of:
            queues.setdefault(frozenset(of), deque()).append(row)
    taken: list[int] = []
    while queues and len(taken) < size:
        covered: set[str] = set()
        for of_set in sorted(queues, key=lambda s: (-len(s), queues[s][0])):
            if len(taken) < size and not of_set <= covered:
                taken.append(queues[of_set].popleft())
                covered |= of_set
        queues = {s: rows for s, rows in queues.items() if rows}
    return [*taken, *(i for i, of in enumerate(tags) if not of)][:size]


def coverage(tags: Sequence[Sequence[str]], taken: Sequence[int], seed: int) -> dict[str, Any]:
    """Return how many distinct tags the first rows of a subset cover, beside a random subset, at CURVE sizes."""
    every = {tag for of in tags for tag in of}
    order: npt.NDArray[np.int64] = np.random.default_rng(seed).permutation(len(tags))[: len(taken)]
    points = sorted({len(taken) * k // CURVE for k in range(1, CURVE + 1)} - {0})

    def curve(rows: Sequence[int]) -> list[int]:
        seen: set[str] = set()
        counts = [0]
        for row in rows:
            seen.update(tags[row])
            counts.append(len(seen))
        return [counts[p] for p in points]

    return {"tags": len(every), "rows": points, "covered": curve(taken), "random": curve(order.tolist())}
