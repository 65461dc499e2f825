"""The Batch API of an endpoint: many requests in one file, their answers within a day, through the same journal.

A batch is recorded with its requests before it is sent, under a mark that goes with it as metadata. So one that a kill cut off
between sending and hearing its name is found again by its mark, and none of its requests is bought twice. What ended online
may be begun in a batch, and the other way round: the requests are the same, and so are their keys.
"""

from __future__ import annotations

import asyncio
import io
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from datagen.errors import ModelError
from datagen.models import completion, failures
from datagen.models.budget import Room
from datagen.models.chat import ATTEMPTS, BACK_OFF_S, Chat, ClosingError, Path_
from datagen.models.journal import ANSWERED, FREE, UNKNOWN, Attempt
from datagen.models.masking import masked_answer, one_line

T = TypeVar("T")
QUIET_S = 0.5  # without a new request after which a batch is sent
MOST_REQUESTS = 10_000  # of a batch; endpoints allow 50,000, but what a batch holds is held in memory too
MOST_BYTES = 150_000_000  # of its file; endpoints allow 200 MB
POLL_S = 15.0  # between two questions after a batch
FIRST_POLL_S = 0.2  # the first; then twice as long each time
MARK = "datagen"  # the key of the mark in a batch's metadata
OVER = ("completed", "expired", "cancelled", "failed")


@dataclass
class Waiting:
    """A request that waits to be sent in a batch."""

    key: str
    path: Path_
    body: Mapping[str, Any]
    room: Room
    attempt: int
    answered: asyncio.Future[tuple[str | None, failures.Failure | None]]


class BatchChat(Chat):
    """A chat whose requests go in batches; `concurrency` is how many one may hold."""

    def __post_init__(self) -> None:
        """Begin with nothing that waits."""
        super().__post_init__()
        self._line: list[Waiting] = []
        self._came = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    @property
    def waits(self) -> bool:
        """Batches of earlier runs are waited for."""
        return True

    async def _attempt(
        self, key: str, path: Path_, body: Mapping[str, Any], draw: int, room: Room
    ) -> tuple[str | None, failures.Failure | None]:  # fmt: skip
        """Put a request in line; return its raw answer, recorded and settled, or the failure, recorded."""
        if self.closing:
            raise ClosingError("the run is ending")
        most_usd = self.budget.cost(room.most)
        room.outcome = None
        number = await self._recorded(key, path, body, draw, room, most_usd)
        one = Waiting(key, path, body, room, number, asyncio.get_running_loop().create_future())
        self._line.append(one)
        self._came.set()
        if self._sender is None:
            self._sender = asyncio.ensure_future(self._send_batches())
        try:
            return await one.answered
        except asyncio.CancelledError:
            if one in self._line:  # it was not sent
                self._line.remove(one)
                room.outcome = FREE
                await self.journal.failed(number, FREE, "not sent")
            raise

    async def _send_batches(self) -> None:
        """Send a batch whenever no request has come for a moment, or one is full."""
        while True:
            await self._came.wait()
            self._came.clear()
            while len(self._line) < self.concurrency:
                try:
                    await asyncio.wait_for(self._came.wait(), QUIET_S)
                    self._came.clear()
                except TimeoutError:
                    break
            while self._line and not self.closing:
                taken = _fitting(self._line, self.concurrency)
                del self._line[: len(taken)]
                task = asyncio.ensure_future(self._done(taken))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    async def _done(self, items: Sequence[Waiting]) -> None:
        """Send a batch, wait for it, and hand on what came; an error is every request's."""
        mark, waiting = uuid.uuid4().hex, {str(w.attempt): w for w in items}
        try:
            await self.journal.batched(mark, items[0].path, self.base_url, [(w.attempt, w.key) for w in items])
            name = await _sent(self, mark, items)
            self.sent += len(items)
            self.say(f"batch {name}: {len(items):,} request{'s' * (len(items) != 1)} sent")
            batch = await _over(self, name)
            results = await _results(self, batch)
            for custom_id, one in waiting.items():
                found = await _taken(self, one.attempt, one.key, results.get(custom_id), batch, one.room)
                if not one.answered.done():
                    one.answered.set_result(found)
            await self.journal.batch_ended(mark)
        except BaseException as e:
            for one in items:
                if not one.answered.done():
                    one.answered.set_exception(e if isinstance(e, Exception) else ClosingError("the run is ending"))
                    one.answered.exception()  # nobody may be waiting for it any more
            if isinstance(e, ModelError) and not isinstance(e, ClosingError):
                self.failure, self.closing = self.failure or e, True
                self.stopped.set()
            if not isinstance(e, Exception):
                raise

    async def drained(self) -> None:
        """Nothing is waited for: a batch under way is in the journal, and the next run takes what came of it."""

    async def close(self) -> None:
        """Stop sending; batches that are under way stay with the endpoint."""
        for task in (*self._under_way, *([self._sender] if self._sender else [])):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await super().close()


def _fitting(line: Sequence[Waiting], most: int) -> list[Waiting]:
    """Return the first of those in line that make one file: of one path, and not too many or too long."""
    taken: list[Waiting] = []
    size = 0
    for one in line[: min(most, MOST_REQUESTS)]:
        size += len(json.dumps(one.body, ensure_ascii=False).encode("utf-8", "surrogatepass")) + 200
        if taken and (one.path != taken[0].path or size > MOST_BYTES):
            break
        taken.append(one)
    return taken


async def _again(chat: Chat, what: Callable[[], Awaitable[T]]) -> T:
    """Do something at the endpoint, again where it failed for a while; raises ModelError where it cannot be."""
    for tried in range(1, ATTEMPTS + 1):
        try:
            return await what()
        except Exception as e:  # noqa: BLE001 - every failure is sorted
            failure = failures.sort(e, chat.base_url, chat.model, chat.secrets, answered=False)
            if failure.then in ("stop", "give_up") or tried == ATTEMPTS:
                hint = (
                    "; has it a Batch API? --via online needs none" if getattr(e, "status_code", 0) in (404, 405, 501) else ""
                )
                raise ModelError(f"{failure.said}{hint}") from None
            await asyncio.sleep(failure.retry_after_s or BACK_OFF_S * 2 ** (tried - 1))
    raise AssertionError("unreachable")


async def _sent(chat: Chat, mark: str, items: Sequence[Waiting]) -> str:
    """Upload the requests and begin the batch; return the endpoint's name of it, recorded."""
    client: Any = chat.client
    lines = []
    for one in items:
        body = {"model": chat.model, **one.body}
        line = {"custom_id": str(one.attempt), "method": "POST", "url": f"/v1/{one.path}", "body": body}
        lines.append(json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    data = b"\n".join(lines) + b"\n"
    file = await _again(chat, lambda: client.files.create(file=(f"{mark}.jsonl", io.BytesIO(data)), purpose="batch"))
    batch = await _again(
        chat,
        lambda: client.batches.create(
            input_file_id=file.id, endpoint=f"/v1/{items[0].path}", completion_window="24h", metadata={MARK: mark}
        ),
    )
    await chat.journal.batch_named(mark, batch.id)
    return str(batch.id)


async def _over(chat: Chat, name: str, *, cancel: bool = False) -> Any:
    """Wait until a batch has ended, however it ended; return it."""
    client: Any = chat.client
    wait = FIRST_POLL_S
    if cancel:
        batch = await _again(chat, lambda: client.batches.retrieve(name))
        if batch.status not in OVER:
            await _again(chat, lambda: client.batches.cancel(name))
    while True:
        batch = await _again(chat, lambda: client.batches.retrieve(name))
        if batch.status in OVER:
            return batch
        counts = batch.request_counts
        done = f", {counts.completed:,} of {counts.total:,} done" if counts else ""
        chat.say(f"batch {name}: {batch.status}{done}")
        await asyncio.sleep(wait)
        wait = min(POLL_S, 2 * wait)


async def _results(chat: Chat, batch: Any) -> dict[str, Mapping[str, Any]]:
    """Return the lines of a batch's files by their custom id; a line that cannot be read is left out."""
    client: Any = chat.client
    found: dict[str, Mapping[str, Any]] = {}
    for file in (batch.output_file_id, batch.error_file_id):
        if not file:
            continue
        content = await _again(chat, lambda file=file: client.files.content(file))  # type: ignore[misc]
        for line in content.content.decode("utf-8", "replace").split("\n"):
            try:
                told = json.loads(line) if line.strip() else None
            except ValueError:
                continue
            if isinstance(told, dict) and "custom_id" in told:
                found.setdefault(str(told["custom_id"]), told)
    return found


async def _taken(
    chat: Chat, attempt: int, key: str, line: Mapping[str, Any] | None, batch: Any, room: Room | None
) -> tuple[str | None, failures.Failure | None]:  # fmt: skip
    """Record what became of one request of a batch; return its raw answer or its failure."""
    response = (line or {}).get("response") or {}
    status, body = response.get("status_code"), response.get("body")
    if status == 200 and isinstance(body, dict):
        raw = masked_answer(json.dumps(body, ensure_ascii=False), chat.secrets)
        used = completion.used_by(raw)
        usd = None if used is None else chat.budget.cost(used)
        await chat.journal.answered(attempt, key, raw, used, usd)
        chat.answered = True
        if room is not None:
            chat.budget.settle(room, Attempt(room.most, ANSWERED, used))
        return raw, None
    failure = _failure(line, status, body, batch, chat.secrets)
    await chat.journal.failed(attempt, failure.outcome, failure.said)
    if room is not None:
        room.outcome = failure.outcome
    return None, failure


def _failure(
    line: Mapping[str, Any] | None, status: Any, body: Any, batch: Any, secrets: Sequence[str]
) -> failures.Failure:  # fmt: skip
    """Sort what a request of a batch met."""
    if line is None:
        errors = getattr(getattr(batch, "errors", None), "data", None) or ()
        said = "; ".join(one_line(str(e.message), secrets) for e in errors)
        if batch.status == "failed":
            return failures.Failure("stop", FREE, f"the endpoint refuses the batch {batch.id}: {said or 'no reason given'}")
        return failures.Failure("retry", FREE, f"not reached before the batch was {batch.status}")
    said = one_line(json.dumps(body if body else line.get("error"), ensure_ascii=False), secrets)
    if status is None:
        expired = "expired" in said or "cancelled" in said
        return failures.Failure("retry", FREE if expired else UNKNOWN, said)
    if status in (408, 409, 425, 429) or status >= 500:
        return failures.Failure("retry", UNKNOWN if status in (408, 504, 524) else FREE, f"HTTP {status}: {said}")
    return failures.Failure("stop" if status == 401 else "give_up", FREE, f"HTTP {status}: {said}")


async def collect(chat: Chat, *, wait: bool) -> None:
    """Record what became of the batches that earlier runs left: ended first (cancelled), or waited for.

    Raises:
        ModelError: the endpoint cannot be asked.
    """
    client: Any = chat.client
    for mark, named, address in chat.journal.open_batches():
        items = chat.journal.batch_items(mark)
        name = named or await _found(chat, client, mark)
        if name is None:  # it was never begun
            for attempt, _, most, usd in items:
                await chat.journal.failed(attempt, FREE, "not sent")
                chat.budget.learned(Attempt(most, None, None, usd), Attempt(most, FREE, None))
            await chat.journal.batch_ended(mark)
            continue
        if not items:
            await chat.journal.batch_ended(mark)
            continue
        if address != chat.base_url:
            raise ModelError(
                f"batch {name} of {len(items):,} requests is under way at {address}: give that as --base-url until it has ended"
            )
        chat.say(f"batch {name}: {len(items):,} requests under way")
        batch = await _over(chat, name, cancel=not wait)
        results = await _results(chat, batch)
        for attempt, key, most, usd in items:
            raw, failure = await _taken(chat, attempt, key, results.get(str(attempt)), batch, None)
            used = completion.used_by(raw) if raw else None
            outcome = ANSWERED if raw is not None else failure.outcome if failure else UNKNOWN
            chat.budget.learned(Attempt(most, None, None, usd), Attempt(most, outcome, used, usd, None))
        await chat.journal.batch_ended(mark)


async def _found(chat: Chat, client: Any, mark: str) -> str | None:
    """Return the endpoint's name of the batch with a mark, or None where none has it."""

    async def looked() -> str | None:
        async for batch in client.batches.list(limit=100):
            if (batch.metadata or {}).get(MARK) == mark:
                return str(batch.id)
        return None

    found = await _again(chat, looked)
    if found is not None:
        await chat.journal.batch_named(mark, found)
    return found
