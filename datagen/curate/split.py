"""Rows held out to test with, in whole groups: none of them is like one that is trained on."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.data.quotas import quotas
from datagen.data.rows import view
from datagen.similarity.split_options import SplitOptions
from datagen.stage import Context, Stage, Verdict
from datagen.verdict import because

NGRAM = 5  # tokens of a shingle, as of `minhash`


@dataclass(frozen=True)
class Split(SplitOptions, Stage):
    """Hold rows out to test with, so that no pair of near duplicates has one row on each side.

    Rows are taken in whole groups: any two of which the tasks are alike by ROUGE-L (as `rouge` finds them) or the conversations
    by Jaccard (as `minhash` does), whatever their answers, and the rows made from one another, stay together; with `by` those
    of one document, conversation or source, too. Each source gives its share. Groups are drawn by the seed and taken while they
    fit, so fewer rows may be held out than were asked for: that is said. They are in test/ of the run, for `--eval`.
    """

    command: ClassVar[bool] = True
    version: ClassVar[int] = 1
    doer: ClassVar[str] = "datagen.steps.splitting:split"
    leaves: ClassVar[tuple[str, ...]] = ("test",)
    reasons: ClassVar[frozenset[str]] = frozenset({"held_out"})
    decides: ClassVar[frozenset[str]] = frozenset({"test", "by", "threshold", "seed"})

    @property
    def protects(self) -> str:
        """What is tested with."""
        return "test rows"

    @property
    def reads(self) -> tuple[str, ...]:
        """What keeps rows together, as earlier stages left it."""
        return ("source", "parents")

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, pa.Array]:
        """Return the tokens of task and conversation, and the names that rows of a group share."""
        from datagen.similarity.same_answer import digests
        from datagen.similarity.tokenised import tokenised

        answers, conversations = view(rows, "answers"), view(rows, "conversation")
        # A row without a task is a document: its text is what another must not repeat.
        tasks = [task if task.strip() else said for task, said in zip(view(rows, "context"), answers, strict=True)]
        extras = [json.loads(extra) if extra else {} for extra in rows.column("extra").to_pylist()]
        return {
            "tokens": tokenised(tasks, self.units).column(),
            "said_tokens": tokenised(conversations, self.units).column(),
            "same": pa.array(digests(conversations)),
            "id": rows.column("id").combine_chunks(),
            "parents": rows.column("parents").combine_chunks(),
            "source_of_row": rows.column("source").combine_chunks().cast(pa.string()),
            "document": pa.array([_text(extra.get("document")) for extra in extras], pa.string()),
            "begun": pa.array(digests(_beginnings(rows))),
        }

    def decide(self, columns: pa.Table, ctx: Context) -> Verdict:
        """Hold out groups until there are as many rows as were asked for."""
        sources = columns.column("source_of_row").to_pylist()
        groups = self._groups(columns)
        taken = self._drawn(groups, sources)
        held = np.zeros(len(columns), bool)
        evidence: list[str | None] = [None] * len(columns)
        for rows in taken:
            held[rows] = True
            for row in rows:
                evidence[row] = None if len(rows) == 1 else f"of a group of {len(rows):,} rows"
        largest = max(map(len, groups.values()), default=0)
        short: dict[str, Any] = {"short_of": self.test - int(held.sum())} if held.sum() < self.test else {}
        if not taken:
            short["undivided"] = _undivided(groups)  # the command ends with it
        notes = {**short, "groups": len(groups), "largest_group": largest, "groups_held_out": len(taken)}
        return Verdict(because("held_out", held), evidence=pa.array(evidence, pa.string()), notes=notes)

    def _groups(self, columns: pa.Table) -> dict[int, list[int]]:
        """Return the rows of each group, by its first row."""
        from datagen.similarity import groups
        from datagen.similarity.columns import token_lists
        from datagen.similarity.jaccard import shingles

        above: npt.NDArray[np.int64] = np.arange(len(columns))
        ids, parents = columns.column("id").to_pylist(), columns.column("parents").to_pylist()
        groups.by_name([[row, *(of or ())] for row, of in zip(ids, parents, strict=True)], above)
        groups.by_name([[key] for key in columns.column("same").to_pylist()], above)
        if self.by != "cluster":
            key = {"document": "document", "conversation": "begun", "source": "source_of_row"}[self.by]
            groups.by_name([[name] if name else [] for name in columns.column(key).to_pylist()], above)
        if self.threshold is not None:
            groups.by_rouge(token_lists(columns.column("tokens")), self.threshold, above)
            groups.by_jaccard(shingles(token_lists(columns.column("said_tokens")), NGRAM), self.threshold, above)
        found: dict[int, list[int]] = {}
        for row, first in enumerate(groups.numbered(above).tolist()):
            found.setdefault(first, []).append(row)
        return found

    def _drawn(self, groups: dict[int, list[int]], sources: list[str]) -> list[list[int]]:
        """Return the groups that are held out: drawn from all, of each source until it has its share, then of any."""
        order = list(groups)
        np.random.default_rng(self.seed).shuffle(order)
        left = min(self.test, len(sources) - 1)  # something stays to train on
        counts = Counter(sources)
        names = list(counts)
        shares = dict.fromkeys(names, left)
        if self.by != "source":
            shares = dict(zip(names, quotas([float(counts[name]) for name in names], left), strict=True))
        taken: dict[int, list[int]] = {}
        for among in (shares, dict.fromkeys(names, left)):
            for first in order:
                rows, name = groups[first], sources[first]
                # A group may go past the share of its source: else a small share would hold out rows that are like no other.
                if first not in taken and among[name] > 0 and len(rows) <= left:
                    taken[first] = rows
                    left -= len(rows)
                    among[name] -= len(rows)
        return list(taken.values())


def _undivided(groups: dict[int, list[int]]) -> str:
    """Return why no row can be held out, and what would help."""
    smallest = min(map(len, groups.values()), default=0)
    if len(groups) < 2:
        return f"split: there is nothing to divide: all {smallest:,} rows belong together; a higher threshold, or another --by"
    return (
        f"split: no group is small enough: the smallest has {smallest:,} rows that belong together; give --test {smallest},"
        " a higher --threshold, or another --by"
    )


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _beginnings(rows: pa.Table) -> list[str]:
    """Return the system line and the first task of each row: by them the parts of one conversation know each other."""
    begun = []
    for system, task, extra, turns in zip(
        *(rows.column(name).to_pylist() for name in ("system", "instruction", "input", "messages")), strict=True
    ):
        first = next((t["content"] or "" for t in turns or () if t["role"] == "user"), f"{task}\n\n{extra}")
        begun.append(f"{system}\n{first}")
    return begun
