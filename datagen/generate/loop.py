"""The loop under every generator: requests in order, what they made judged in order, until enough rows are kept.

The randomness of request i comes from (seed, i), and what it may see of the pool is the pool as request i - window left it.
Requests start only when an earlier one is judged, so which are asked, what they ask and what becomes of their answers depends
on neither kills nor concurrency nor the order in which answers come.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from datagen.answers.tasks import Item
from datagen.chat.asking import GRACE_IN_ALL_S, GRACE_S, STOP_S
from datagen.chat.background import streamed
from datagen.chat.client import Chat, NotRecordedError
from datagen.data.rows import Row, dropped_row
from datagen.errors import BudgetError, DataError, DatagenError, ModelError
from datagen.generate.draft import Draft, Repeat, Spent, made_row
from datagen.generate.pool import Pool, Seen
from datagen.stage import ERROR

TAPER = 1.25  # requests under way that should yield so many times what is still missing are enough


class Maker(Protocol):
    """A method: what it asks for and what it makes of the answers."""

    async def make(self, index: int, seen: Seen) -> list[list[Draft]]:
        """Return the tasks of request `index`; drafts of one inner list are instances of one task."""


class Steers(Protocol):
    """What each request is about."""

    async def prepare(self) -> list[Draft]:
        """Ask the model what has to be known before the first request; return what became of requests that failed."""

    def of(self, index: int) -> str | None:
        """Return the topic of a request, or None."""


@dataclass(frozen=True)
class Aim:
    """What a loop is to make, and how its rows are judged and named."""

    n: int  # rows to keep
    stage: str  # what the ledger calls the generator
    model: str  # as rows name it
    language: str
    window: int  # how far back a request sees the pool
    ahead: int  # requests that may be under way; not more than the window where requests look at the pool
    stall: int  # requests in a row that keep nothing before the run stops
    refuse: Callable[[Draft], tuple[str, str | None] | None]  # reason and evidence not to keep it, whether new or not
    steering: Steers  # what each request is about
    expected: float = 1.0  # rows that a request yields, before any is judged
    requests: int | None = None  # stop after so many, however few rows were kept


@dataclass
class Funnel:
    """How requests became rows: counts of requests judged, items in them, rows kept, and reasons of the rest; per cell too."""

    judged: int = 0
    items: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    cells: dict[str, list[int]] = field(default_factory=dict)  # requests, items, kept
    stopped: BudgetError | ModelError | DataError | None = None

    def note(self) -> str:
        """The live line's words: requests judged, items in them, and the most frequent reason."""
        words = [f"{self.judged:,} asked", f"{self.items:,} items"]
        if self.dropped and self.items:
            reason, count = self.dropped.most_common(1)[0]
            words.append(f"{reason} {100 * count / self.items:.0f}%")
        return ", ".join(words)


class Loop:
    """One generation at work: `rows` yields kept rows and ledger rows, `funnel` counts them."""

    def __init__(self, maker: Maker, chat: Chat, pool: Pool, aim: Aim) -> None:
        """Make the parts ready; nothing is asked yet."""
        self.maker, self.chat, self.pool, self.aim = maker, chat, pool, aim
        self.funnel = Funnel()
        self._left: list[int] = []  # kept rows when each request was judged
        self._said = ""  # why a request failed, the last of them

    def rows(self) -> Generator[Row, None, None]:
        """Yield kept rows and ledger rows (with the key `reason`) until `n` rows are kept.

        Where a budget, the endpoint or a stall ends it early, `funnel.stopped` says so: what was made until then stands.
        """
        with contextlib.closing(self.batches()) as batches:
            for batch in batches:
                yield from batch

    def batches(self) -> Generator[list[Row], None, None]:
        """Yield the same rows, those of one request after the other."""
        return streamed(self._batches)

    async def _batches(self) -> AsyncIterator[list[Row]]:
        """Yield the rows of one request after the other."""
        under_way: deque[asyncio.Task[list[list[Draft]]]] = deque()
        barren = 0
        stopped = asyncio.ensure_future(self.chat.stopped.wait())
        try:
            if failed := await self.aim.steering.prepare():
                yield self._told(failed)
            while self.funnel.kept < self.aim.n and self._may_ask(0):
                while len(under_way) < self.aim.ahead and self._wanted(len(under_way)) and self._may_ask(len(under_way)):
                    under_way.append(self._begun(len(self._left) + len(under_way)))
                await asyncio.wait([under_way[0], stopped], return_when=asyncio.FIRST_COMPLETED)
                if self.chat.failure:  # every request would meet it: nobody waits for those that were sent before
                    raise self.chat.failure
                before = self.funnel.kept
                yield self._judged(under_way.popleft().result())
                barren = 0 if self.funnel.kept > before else barren + 1
                if barren >= self.aim.stall:
                    raise ModelError(self._stalled())
        except NotRecordedError:
            self.funnel.stopped = ModelError(f"the journal ends at request {len(self._left)}")
        except (BudgetError, ModelError, DataError) as e:
            self.chat.closing = True
            self.funnel.stopped = e
        except BaseException:
            # Ctrl+C, or an error of our own: what was sent is waited for a moment.
            self.chat.closing = True
            await self._end(under_way, GRACE_IN_ALL_S if self.chat.paid else 0.0, GRACE_S)
            raise
        finally:
            # An answer under way is paid for: the journal keeps it for a larger n. A local model's costs nothing.
            try:
                # Where every request would fail, one that hangs must not keep the message back.
                longest = STOP_S if self.chat.failure else None
                await self._end(under_way, longest if self.chat.paid else 0.0)
            finally:
                for task in (*under_way, stopped):
                    task.cancel()
                await self.chat.close()

    def _begun(self, index: int) -> asyncio.Task[list[list[Draft]]]:
        seen_at = index - self.aim.window
        seen = Seen(self.pool, self._left[seen_at] if 0 <= seen_at < len(self._left) else 0)
        return asyncio.ensure_future(self._made(index, seen))

    async def _made(self, index: int, seen: Seen) -> list[list[Draft]]:
        """Return the tasks of a request; answers that break their reader are a ledger row, and stay in the journal."""
        try:
            tasks = await self.maker.make(index, seen)
            if not all(isinstance(draft, Draft) for task in tasks for draft in task):
                raise TypeError(f"make() must return a list of drafts for each task, not {str(tasks)[:80]}")
            return tasks
        except DatagenError:
            raise
        except (Exception, SystemExit) as e:  # noqa: BLE001 - whatever an answer does to its reader, the run goes on
            item = Item("", reason=ERROR)
            return [[Draft(item, "", Spent(), "", evidence=f"request {index}: {type(e).__name__}: {e}")]]

    def _may_ask(self, under_way: int) -> bool:
        return self.aim.requests is None or len(self._left) + under_way < self.aim.requests

    def _wanted(self, under_way: int) -> bool:
        """Whether the requests under way are too few for what is missing, by the yield so far, at first the expected one."""
        per_request = (self.funnel.kept + self.aim.expected) / (self.funnel.judged + 1)
        return under_way * per_request < TAPER * (self.aim.n - self.funnel.kept)

    async def _end(
        self, under_way: deque[asyncio.Task[list[list[Draft]]]], longest_s: float | None, silence_s: float | None = None
    ) -> None:
        """Wait for requests under way, at most so long; then cut them off. A run that stops waits only for what was sent."""
        tasks = [t for t in under_way if not t.done()]
        if tasks and longest_s != 0.0:
            if self.chat.closing:
                await self.chat.drain(silence_s, longest_s)
            else:
                await asyncio.wait(tasks, timeout=longest_s)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)

    def _stalled(self) -> str:
        common = ", ".join(f"{reason} {count:,}" for reason, count in self.funnel.dropped.most_common(3))
        came = f"{self.funnel.kept} of {self.aim.n} rows so far; {common or 'no row came of them'}"
        told = f"the last {self.aim.stall} requests kept nothing ({came})"
        if next(iter(self.funnel.dropped.most_common(1)), ("",))[0] == "request_failed":
            return f"{told}: {self._said}; `datagen doctor` tells what the endpoint can do, --retry-failed asks again"
        return f"{told}; try another model, more seed tasks, topics, or a higher threshold"

    def _told(self, failed: list[Draft]) -> list[Row]:
        """Return the ledger rows of requests that failed before the first task was asked for; count them."""
        aim = self.aim
        rows = [
            dropped_row(
                made_row(d, aim.stage, aim.model, aim.language, None), aim.stage, str(d.item.reason), evidence=d.evidence
            )
            for d in failed
        ]
        self.funnel.items += len(rows)
        self.funnel.dropped.update(row["reason"] for row in rows)
        return rows

    def _judged(self, tasks: list[list[Draft]]) -> list[Row]:
        """Return the rows of the next request's tasks, judged; count them."""
        index, funnel = len(self._left), self.funnel
        cell = self.aim.steering.of(index)
        rows = [row for task in tasks for row in self._rows_of(task, cell)]
        kept = [row for row in rows if "reason" not in row]
        funnel.judged += 1
        funnel.items += len(rows)
        funnel.dropped.update(row["reason"] for row in rows if "reason" in row)
        if cell is not None:
            counts = funnel.cells.setdefault(cell, [0, 0, 0])
            for at, more in enumerate((1, len(rows), len(kept))):
                counts[at] += more
        self._left.append(len(self.pool.kept))
        return rows

    def _refused(self, draft: Draft) -> tuple[str, str | None] | None:
        if draft.item.reason:
            return draft.item.reason, draft.evidence
        if draft.repeats:  # its answer was not bought
            return None
        try:
            return self.aim.refuse(draft)
        except Exception as e:  # noqa: BLE001 - whatever a task does to a rule, it is a ledger row
            return ERROR, f"{type(e).__name__}: {e}"

    def _rows_of(self, task: list[Draft], cell: str | None) -> Iterator[Row]:
        """Yield the rows of one task's instances; the first that is kept joins the pool."""
        novel: Repeat | bool | None = False  # not looked at yet
        for draft in task:
            aim = self.aim
            row = made_row(draft, aim.stage, aim.model, aim.language, cell)
            if refused := self._refused(draft):
                self._said = draft.evidence or self._said
                yield dropped_row(row, aim.stage, refused[0], evidence=refused[1])
                continue
            if novel is False:
                novel = draft.repeats or self.pool.repeats(draft.item.instruction)
                fresh = novel is None
            if isinstance(novel, Repeat):
                seed = None if novel.seed_text is None else f"seed task: {novel.seed_text}"
                yield dropped_row(
                    row, aim.stage, "too_similar", score=novel.score, threshold=self.pool.threshold,
                    witness_id=novel.witness_id, evidence=seed,
                )  # fmt: skip
            elif self.funnel.kept >= aim.n:
                yield dropped_row(row, aim.stage, "over_quota")
            else:
                self.funnel.kept += 1
                if fresh:
                    self.pool.add(row)
                    fresh = False
                yield row
