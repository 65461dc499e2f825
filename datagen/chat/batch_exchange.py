"""What the endpoint of a batch is asked: to take it, how it is, what came of it; and what that means for each request."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from datagen.chat import completion, failures, refusals
from datagen.chat.budget import Room, believed
from datagen.chat.endpoint import ATTEMPTS, BACK_OFF_S, Endpoint, Outcome
from datagen.chat.journal import ANSWERED, FREE, UNKNOWN, Attempt, Tokens
from datagen.chat.masking import masked_answer, one_line
from datagen.errors import ModelError
from datagen.json_text import dumps

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
