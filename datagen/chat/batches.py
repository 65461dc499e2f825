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

from datagen.chat import completion, failures, refusals
from datagen.chat.budget import Room, believed
from datagen.chat.endpoint import ATTEMPTS, BACK_OFF_S, ClosingError, Endpoint, Outcome, Request
from datagen.chat.journal import ANSWERED, FREE, UNKNOWN, Attempt, Tokens
from datagen.chat.masking import masked_answer, one_line
from datagen.errors import ModelError
from datagen.json_text import dumps

QUIET_S = 0.5  # without a new request after which a batch is sent
GROWTH = 64  # so many more are let in, under a cap, with each answer that keeps to what was asked: a batch takes long
MOST_REQUESTS = 10_000  # of a batch; endpoints allow 50,000, but what a batch holds is held in memory too
MOST_BYTES = 150_000_000  # of its file; endpoints allow 200 MB


@dataclass
class Waiting:
    """A request that waits to be sent in a batch."""

    request: Request
    room: Room
    outcome: asyncio.Future[Outcome]


class Batches:
    """Sends requests in batches, each of at most the endpoint's `concurrency`."""

    waits = True

    def __init__(self, endpoint: Endpoint) -> None:
        """Begin with nothing that waits."""
        self._endpoint = endpoint
        endpoint.budget.growth = GROWTH
        self._line: list[Waiting] = []
        self._came = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._under_way: set[asyncio.Task[None]] = set()

    async def attempt(self, request: Request, room: Room) -> Outcome:
        """Put a request in line; return its raw answer, recorded and settled, or the failure, recorded.

        It is an attempt from when its batch is begun: what a kill finds in line was not sent, and costs nothing.
        """
        if self._endpoint.closing:
            raise ClosingError("the run is ending")
        room.outcome = FREE
        one = Waiting(request, room, asyncio.get_running_loop().create_future())
        self._line.append(one)
        self._came.set()
        if self._sender is None:
            self._sender = asyncio.ensure_future(self._send_batches())
        try:
            return await one.outcome
        except asyncio.CancelledError:
            if one in self._line:  # it was not sent
                self._line.remove(one)
            raise

    async def _send_batches(self) -> None:
        """Send a batch whenever no request has come for a moment, or one is full."""
        while True:
            await self._came.wait()
            self._came.clear()
            while len(self._line) < self._endpoint.concurrency:
                try:
                    await asyncio.wait_for(self._came.wait(), QUIET_S)
                    self._came.clear()
                except TimeoutError:
                    break
            while self._line and not self._endpoint.closing:
                items = _fitting(self._line, self._endpoint.concurrency)
                del self._line[: len(items)]
                task = asyncio.ensure_future(self._send(items))
                self._under_way.add(task)
                task.add_done_callback(self._under_way.discard)

    async def _send(self, items: Sequence[Waiting]) -> None:
        """Send a batch, wait for it, and hand on what came; an error is every request's."""
        endpoint, mark, path = self._endpoint, uuid.uuid4().hex, items[0].request.path
        try:
            for one in items:
                one.room.outcome = None  # from here on nobody knows until it has ended
            attempts = await asyncio.gather(*map(self._record, items))
            waiting = dict(zip(attempts, items, strict=True))
            await endpoint.journal.batched(mark, path, endpoint.base_url, [(n, w.request.key) for n, w in waiting.items()])
            name = await send_batch(endpoint, mark, path, [(n, w.request.body) for n, w in waiting.items()])
            endpoint.sent += len(items)
            endpoint.say(f"batch {name}: {len(items):,} request{'s' * (len(items) != 1)} sent")
            batch = await wait_for(endpoint, name)
            lines = await download_results(endpoint, batch)
            for attempt, one in waiting.items():
                line = lines.get(str(attempt))
                outcome = await record_result(endpoint, attempt, one.request.key, line, batch, one.room, one.room.most)
                if not one.outcome.done():
                    one.outcome.set_result(outcome)
            await endpoint.journal.batch_ended(mark)
        except BaseException as e:
            for one in items:
                if not one.outcome.done():
                    one.outcome.set_exception(e if isinstance(e, Exception) else ClosingError("the run is ending"))
                    one.outcome.exception()  # nobody may be waiting for it any more
            if isinstance(e, ModelError) and not isinstance(e, ClosingError):
                endpoint.stop(e)
            if not isinstance(e, Exception):
                raise

    async def _record(self, one: Waiting) -> int:
        """Record the attempt of a request whose batch is about to be sent; return its number."""
        return await self._endpoint.record(one.request, one.room, self._endpoint.budget.cost(one.room.most))

    async def drain(self, silence_s: float | None) -> None:
        """Nothing is waited for: a batch under way is in the journal, and the next run takes what came of it."""

    async def close(self) -> None:
        """Stop sending; batches that are under way stay with the endpoint."""
        for task in (*self._under_way, *([self._sender] if self._sender else [])):
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)


def _fitting(line: Sequence[Waiting], most: int) -> list[Waiting]:
    """Return the first of those in line that make one file: of one path, and not too many or too long."""
    found: list[Waiting] = []
    size = 0
    for one in line[: min(most, MOST_REQUESTS)]:
        size += len(json.dumps(one.request.body, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass")) + 200
        if found and (one.request.path != found[0].request.path or size > MOST_BYTES):
            break
        found.append(one)
    return found


T = TypeVar("T")
POLL_S = 15.0  # between two questions after a batch
FIRST_POLL_S = 0.2  # the first; then twice as long each time
MARK = "datagen"  # the key of the mark in a batch's metadata
OVER = ("completed", "expired", "cancelled", "failed")


async def _again(endpoint: Endpoint, what: Callable[[], Awaitable[T]]) -> T:
    """Do something at the endpoint, again where it failed for a while; raises ModelError where it cannot be."""
    for tried in range(1, ATTEMPTS + 1):
        try:
            return await what()
        except Exception as e:  # noqa: BLE001 - every failure is sorted
            failure = failures.sort(e, endpoint.base_url, endpoint.model, endpoint.secrets, answered=False)
            if failure.then in ("stop", "give_up") or tried == ATTEMPTS:
                hint = (
                    "; has it a Batch API? --via online needs none"
                    if getattr(e, "status_code", 0) in (400, 404, 405, 501)
                    else ""
                )
                raise ModelError(f"{failure.said}{hint}") from None
            await asyncio.sleep(failure.retry_after_s or BACK_OFF_S * 2 ** (tried - 1))
    raise AssertionError("unreachable")


async def send_batch(endpoint: Endpoint, mark: str, path: str, items: Sequence[tuple[int, Mapping[str, Any]]]) -> str:
    """Upload requests (attempt and body) and begin the batch; return the endpoint's name of it, recorded."""
    client: Any = endpoint.client
    lines = []
    for attempt, body in items:
        named = {"model": endpoint.model, **endpoint.as_sent(body)}
        line = {"custom_id": str(attempt), "method": "POST", "url": f"/v1/{path}", "body": named}
        lines.append(json.dumps(line, ensure_ascii=False, allow_nan=False).encode("utf-8", "surrogatepass"))
    data = b"\n".join(lines) + b"\n"
    file = await _again(endpoint, lambda: client.files.create(file=(f"{mark}.jsonl", io.BytesIO(data)), purpose="batch"))

    async def begun() -> str:
        # Where the answer to an earlier attempt was lost, the batch may be there.
        if found := await _named(client, mark):
            return found
        batch = await client.batches.create(
            input_file_id=file.id, endpoint=f"/v1/{path}", completion_window="24h", metadata={MARK: mark}
        )
        return str(batch.id)

    name = await _again(endpoint, begun)
    await endpoint.journal.batch_named(mark, name)
    return name


async def wait_for(endpoint: Endpoint, name: str, *, cancel: bool = False) -> Any:
    """Wait until a batch has ended, however it ended; return it."""
    client: Any = endpoint.client
    wait = FIRST_POLL_S
    if cancel:
        batch = await _again(endpoint, lambda: client.batches.retrieve(name))
        if batch.status not in OVER:
            await _again(endpoint, lambda: client.batches.cancel(name))
    while True:
        batch = await _again(endpoint, lambda: client.batches.retrieve(name))
        if batch.status in OVER:
            return batch
        counts = batch.request_counts
        done = f", {counts.completed:,} of {counts.total:,} done" if counts else ""
        endpoint.say(f"batch {name}: {batch.status}{done}")
        await asyncio.sleep(wait)
        wait = min(POLL_S, 2 * wait)


async def download_results(endpoint: Endpoint, batch: Any) -> dict[str, Mapping[str, Any]]:
    """Return the lines of a batch's files by their custom id; a line that cannot be read is left out.

    The files themselves are beside the journal before anything reads them.
    """
    client: Any = endpoint.client
    found: dict[str, Mapping[str, Any]] = {}
    for file in (batch.output_file_id, batch.error_file_id):
        if not file:
            continue
        content = await _again(endpoint, lambda file=file: client.files.content(file))  # type: ignore[misc]
        raw = masked_answer(content.content.decode("utf-8", "replace"), endpoint.secrets)
        endpoint.journal.keep(f"{batch.id}.{file}.jsonl", raw)
        for line in raw.split("\n"):
            try:
                told = json.loads(line) if line.strip() else None
            except ValueError:
                continue
            if isinstance(told, dict) and "custom_id" in told:
                found.setdefault(str(told["custom_id"]), told)
    return found


async def record_result(
    endpoint: Endpoint, attempt: int, key: str, line: Mapping[str, Any] | None, batch: Any, room: Room | None, most: Tokens
) -> Outcome:  # fmt: skip
    """Record what became of one request of a batch; return its raw answer or its failure.

    As online, an answer that says it is one (status 200) is recorded as it is, whatever its body holds.
    """
    response = (line or {}).get("response")
    told: Mapping[str, Any] = response if isinstance(response, Mapping) else {}
    status, body = told.get("status_code"), told.get("body")
    raw = "" if body is None else masked_answer(dumps(body), endpoint.secrets)
    place = (endpoint.base_url, endpoint.model, endpoint.secrets)
    refusal = refusals.in_answer(raw, place, answered=True) if status == 200 else None
    if status == 200 and raw:
        await endpoint.settle(attempt, key, raw, refusal, room, most)
        if room is not None and refusal is not None:
            room.outcome = refusal.outcome
        return (raw, None) if refusal is None else (None, refusal)
    failure = _failure(endpoint, line, status, body, batch)
    await endpoint.journal.failed(attempt, failure.outcome, failure.said)
    if room is not None:
        room.outcome = failure.outcome
    return None, failure


def _failure(
    endpoint: Endpoint, line: Mapping[str, Any] | None, status: Any, body: Any, batch: Any
) -> failures.Failure:  # fmt: skip
    """Sort what a request of a batch met, as the same answer is sorted online."""
    if line is None:
        errors = getattr(getattr(batch, "errors", None), "data", None) or ()
        said = "; ".join(one_line(str(e.message), endpoint.secrets) for e in errors)
        if batch.status == "failed":
            return failures.Failure("stop", FREE, f"the endpoint refuses the batch {batch.id}: {said or 'no reason given'}")
        if batch.status == "completed":  # it may have been answered, and billed
            return failures.Failure("give_up", UNKNOWN, f"batch {batch.id} was completed, and its files have no line for this")
        return failures.Failure("retry", FREE, f"not reached before the batch was {batch.status}")
    if type(status) is not int or status == 200:
        said = one_line(dumps(line.get("error")), endpoint.secrets)
        if status is not None or not line.get("error"):
            return failures.Failure("give_up", UNKNOWN, f"batch {batch.id}: a line that cannot be read")
        expired = "expired" in said or "cancelled" in said
        return failures.Failure("retry", FREE if expired else UNKNOWN, said)
    failure = failures.of_line(int(status), body, endpoint.base_url, endpoint.model, endpoint.secrets)
    if failure.then == "rename":
        endpoint.limit_name = "max_completion_tokens"
    return failure


async def _named(client: Any, mark: str) -> str | None:
    """Return the endpoint's name of the batch with a mark, or None."""
    async for batch in client.batches.list(limit=100):
        if (batch.metadata or {}).get(MARK) == mark:
            return str(batch.id)
    return None


async def collect(endpoint: Endpoint, *, wait: bool) -> None:
    """Record what became of the batches that earlier runs left: ended first (cancelled), or waited for.

    Raises:
        ModelError: the endpoint cannot be asked.
    """
    client: Any = endpoint.client
    for mark, named, address in endpoint.journal.open_batches():
        items = endpoint.journal.batch_items(mark)
        if items and address != endpoint.base_url:
            batch = f"batch {named} of {len(items):,} requests is" if named else f"a batch of {len(items):,} requests may be"
            raise ModelError(f"{batch} under way at {address}: give that as --base-url until it has ended")
        name = named or await _found(endpoint, client, mark)
        if name is None:  # it was never begun
            for attempt, _, most, usd in items:
                await endpoint.journal.failed(attempt, FREE, "not sent")
                endpoint.budget.learned(Attempt(most, None, None, usd), Attempt(most, FREE, None))
            await endpoint.journal.batch_ended(mark)
            continue
        if not items:
            await endpoint.journal.batch_ended(mark)
            continue
        endpoint.say(f"batch {name}: {len(items):,} requests under way")
        batch = await wait_for(endpoint, name, cancel=not wait)
        lines = await download_results(endpoint, batch)
        for attempt, key, most, usd in items:
            raw, failure = await record_result(endpoint, attempt, key, lines.get(str(attempt)), batch, None, most)
            used = believed(completion.used_by(raw), most) if raw else None
            outcome = ANSWERED if raw is not None else failure.outcome if failure else UNKNOWN
            endpoint.budget.learned(Attempt(most, None, None, usd), Attempt(most, outcome, used, usd, None))
        await endpoint.journal.batch_ended(mark)


async def _found(endpoint: Endpoint, client: Any, mark: str) -> str | None:
    """Return the endpoint's name of the batch with a mark, recorded, or None where none has it."""
    found = await _again(endpoint, lambda: _named(client, mark))
    if found is not None:
        await endpoint.journal.batch_named(mark, found)
    return found
