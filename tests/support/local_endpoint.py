"""A real OpenAI-compatible HTTP/1.1 server on loopback: its text depends on the request body, its misbehaviour on a script.

`LocalEndpoint(script={2: "429"})` answers the second request that arrives with 429 and every other one normally; `faults` gives
shares of requests instead: `{"429": 0.1, "cut": 0.05}`. Names of misbehaviours:

- refusals: 429, 500, 502, 503, 504, 401, 404, quota, context (too long a prompt), echo (the API key in the message),
  moderated (403: the input was flagged), null_choices (HTTP 200, no choices, a 429 in it);
- connections: hang (no answer), hang_up (closed without one), reset (RST in mid-body), slow (in drips, `slow_s` in all);
- answers: cut (finish_reason length), filtered (content_filter), broke_off (error), broken (half of the JSON), no_choices,
  null_text, no_usage, reasoning (reasoning_content), think (in the content), think_cut (that never ends), think_left (that
  only its closing mark tells), huge (50 times the real usage), overbilled (14 times the limit), stream (an event stream).

Of `faults` the first two kinds but context, moderated and what stops a run depend on (seed, body, how often it came) and never
meet a body four times in a row; the others on (seed, body) alone. `lacks` (of completions, chat, n, seed, logprobs, max_tokens,
stop, json_schema) answers 400 or 404; what it `ignores` it takes no notice of. Response ids and times differ with every answer.

As a process: `python tests/support/local_endpoint.py --port-file P --log L …`; the log has a JSON line for each request that
arrives (n, pid, time, path, body: its hash, fault, billed: tokens in and out) and one when its answer is sent or lost (n, pid,
finished, status).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from endpoint_faults import MISBEHAVIOUR, REFUSALS, Faults, Reply, answer, drawn_length, heeded, refusal, share, unsupported
from invented_answers import digest, invented_tasks
from local_batches import Batches

__all__ = ["LocalEndpoint", "invented_tasks"]
PATHS = ("/v1/chat/completions", "/v1/completions")
DRIPS = 20


class LocalEndpoint:
    """The server; `bodies` are the requests in the order of their arrival, as parsed JSON, `paths` where they went."""

    def __init__(
        self, script: Mapping[int, str] | None = None, *, always: str = "", delay_s: float = 0.0, delay_spread: float = 0.0,
        faults: Mapping[str, float] | None = None, seed: int = 0, retry_after: str | None = None, slow_s: float = 1.0,
        output_tokens: str = "", lacks: Collection[str] = (), ignores: Collection[str] = (), log: Path | None = None,
        port: int = 0,
    ) -> None:  # fmt: skip
        """Bind the port; the module's docstring has the names of faults, `endpoint_faults` the forms of the other options."""
        self.script, self.always, self.delay_s, self.delay_spread = dict(script or {}), always, delay_s, delay_spread
        wrong = {*self.script.values(), always, *(faults or {})} - MISBEHAVIOUR - {""}
        assert not wrong, f"no such misbehaviour: {wrong}"
        self.retry_after, self.slow_s, self.lacks, self.ignores = retry_after, slow_s, lacks, ignores
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.billed = [0, 0]  # tokens in and out, of all that the model did, whether it arrived or not
        self.at_once = self.most_at_once = 0  # requests being answered
        self._faults, self._length = Faults(faults or {}, seed), drawn_length(output_tokens)
        self._log = None if log is None else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self._socket = socket.create_server(("127.0.0.1", port), backlog=1024)
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.connections: set[_Connection] = set()
        self.batches = Batches(self._of_batch)

    @property
    def requests(self) -> int:
        """How many requests arrived."""
        return len(self.bodies)

    def __enter__(self) -> LocalEndpoint:
        self._thread.start()
        self._up.wait()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._log is not None:
            os.close(self._log)
            self._log = None

    def _serve(self) -> None:
        """Answer until the loop is stopped."""
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            self._loop.create_server(lambda: _Connection(self, self._loop), sock=self._socket)
        )
        self._loop.call_soon(self._up.set)
        self._loop.run_forever()
        server.close()
        for connection in list(self.connections):
            connection.abort()
        self._loop.run_until_complete(asyncio.sleep(0))

    def arrived(self, path: str, body: dict[str, Any], authorization: str) -> tuple[int, str, Reply]:
        """Count a request; return its number, how to misbehave on it, and what to send."""
        self.bodies.append(body)
        self.paths.append(path)
        number, key = len(self.bodies), digest(body)
        fault = self.script.get(number, self.always) or self._faults.of(key)
        reply = self._reply(path, body, fault, authorization, f"local-{os.getpid()}-{number}")
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        self.billed[0] += reply.billed[0]
        self.billed[1] += reply.billed[1]
        told = {"n": number, "pid": os.getpid(), "time": time.time(), "path": path, "body": key, "fault": fault}
        self.say({**told, "billed": reply.billed})
        return number, fault, reply

    def _of_batch(self, path: str, body: dict[str, Any]) -> tuple[str, Reply]:
        """Answer a request of a batch as one that arrived."""
        number, fault, reply = self.arrived(path, body, "")
        self.at_once -= 1
        self.say({"n": number, "pid": os.getpid(), "finished": True, "status": reply.status})
        return fault, reply

    def _reply(self, path: str, body: dict[str, Any], fault: str, authorization: str, name: str) -> Reply:
        if path not in PATHS:
            return Reply(404, json.dumps({"error": {"message": f"no such path: {path}"}}).encode())
        if (refused := unsupported(body, path, self.lacks)) is not None:
            return refused
        if fault in REFUSALS and fault != "504":
            return refusal(fault, self.retry_after, authorization)
        made = answer(heeded(body, self.ignores), path, fault, self._length, name)
        if fault == "504":  # a gateway that gave up: the model did not
            return Reply(504, refusal(fault, self.retry_after).data, made.billed)
        return made

    def delay_of(self, raw: bytes) -> float:
        """Return the seconds before the answer to a body: `delay_s`, up to `delay_spread` of it more or less."""
        return self.delay_s * (1 + self.delay_spread * (2 * share(zlib.crc32(raw)) - 1)) if self.delay_spread else self.delay_s

    def listed(self, path: str) -> Reply:
        """Return the answer to a GET."""
        if path.startswith(("/v1/files", "/v1/batches")) and "batches" not in self.lacks:
            return self.batches.get(path)
        if path == "/v1/models" and "models" not in self.lacks:
            return Reply(200, json.dumps({"object": "list", "data": [{"id": "local", "object": "model"}]}).encode())
        return Reply(200, b"{}") if path == "/health" else Reply(404, b'{"error": {"message": "Not Found"}}')

    def say(self, line: dict[str, Any]) -> None:
        """Append a line to the log."""
        if self._log is not None:
            os.write(self._log, json.dumps(line).encode() + b"\n")


class _Connection(asyncio.Protocol):
    """One connection: requests one after the other."""

    def __init__(self, endpoint: LocalEndpoint, loop: asyncio.AbstractEventLoop) -> None:
        self._endpoint, self._loop = endpoint, loop
        self._read = b""
        self._number: int | None = None  # of the request that is being answered
        self._busy = self._last = False
        self._status = 0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=0)  # `resume_writing` then means that all is sent
        self._endpoint.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._endpoint.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self._over(finished=False)

    def abort(self) -> None:
        """Close it with RST and leave out what is not sent."""
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._read += data
        if not self._busy:
            self._next()

    def resume_writing(self) -> None:
        self._over(finished=True)

    def _next(self) -> None:
        """Take a request, when all of it is here."""
        end = self._read.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = self._read[:end].decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length, begin = int(headers.get("content-length", 0)), end + 4
        if len(self._read) < begin + length:
            return
        raw, self._read = self._read[begin : begin + length], self._read[begin + length :]
        method, path, _ = first.split(" ")
        self._busy, self._last = True, headers.get("connection", "").lower() == "close"
        if method == "POST":
            self._asked(path, raw, headers.get("authorization", ""))
        else:
            self._send(self._endpoint.listed(path))

    def _asked(self, path: str, raw: bytes, authorization: str) -> None:
        if path.startswith(("/v1/files", "/v1/batches")) and "batches" not in self._endpoint.lacks:
            self._send(self._endpoint.batches.post(path, raw))
            return
        try:
            body = json.loads(raw)
        except ValueError:
            self._send(Reply(400, b'{"error": {"message": "We could not parse the JSON body of your request."}}'))
            return
        self._number, fault, reply = self._endpoint.arrived(path, body, authorization)
        self._later(self._endpoint.delay_of(raw), lambda: self._sent(fault, reply))

    def _later(self, seconds: float, do: Callable[[], None]) -> None:
        if seconds > 0:
            self._timer = self._loop.call_later(seconds, do)
        else:
            do()

    def _sent(self, fault: str, reply: Reply) -> None:
        """Send a reply as a fault wants it."""
        if fault == "hang" and reply.status == 200:
            return
        if fault == "hang_up" and reply.status == 200:
            self._transport.close()
        elif fault == "reset" and reply.status == 200:
            data = reply.response()
            self._transport.write(data[: -len(reply.data) // 2])
            self._later(0.01, self.abort)
        elif fault == "slow" and reply.status == 200:
            self._drip(reply.response(), reply.status)
        else:
            self._send(reply)

    def _drip(self, data: bytes, status: int, part: int = 1) -> None:
        piece = -(-len(data) // DRIPS)
        if part * piece >= len(data):
            self._status = status
        self._transport.write(data[(part - 1) * piece : part * piece])
        if self._status:
            self._flushed()
        else:
            self._later(self._endpoint.slow_s / DRIPS, lambda: self._drip(data, status, part + 1))

    def _send(self, reply: Reply) -> None:
        self._status = reply.status
        self._transport.write(reply.response())
        self._flushed()

    def _flushed(self) -> None:
        if self._transport.get_write_buffer_size() == 0:
            self._over(finished=True)

    def _over(self, *, finished: bool) -> None:
        """Say that a request is done with, once; take the next."""
        if not self._busy or (finished and not self._status):
            return
        if self._number is not None:
            self._endpoint.at_once -= 1
            told = {"n": self._number, "pid": os.getpid(), "finished": finished, "status": self._status if finished else 0}
            self._endpoint.say(told)
        self._busy, self._number, self._status, self._timer = False, None, 0, None
        if self._last:
            self._transport.close()
        elif finished and self._read:
            self._loop.call_soon(self._next)


def main() -> None:
    """Serve until SIGTERM, Ctrl+C, or (with --with-parent) the end of the process that started this one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--delay-ms", type=float, default=0)
    parser.add_argument("--delay-spread", type=float, default=0, help="0..1: share of the delay that it is shorter or longer")
    parser.add_argument("--faults", default="", help="NAME:SHARE,…")
    parser.add_argument("--script", type=Path, help='JSON: {"2": "429"}')
    parser.add_argument("--output-tokens", default="", help="uniform:LEAST:MOST or fixed:N")
    parser.add_argument("--retry-after", help="SECONDS, date:SECONDS or ms:MILLISECONDS")
    parser.add_argument("--slow-s", type=float, default=1.0)
    parser.add_argument("--lacks", default="")
    parser.add_argument("--ignores", default="")
    parser.add_argument("--with-parent", action="store_true")
    given = parser.parse_args()
    faults = {name: float(part) for name, part in (f.split(":") for f in given.faults.split(",") if f)}
    script = {int(n): name for n, name in json.loads(given.script.read_text()).items()} if given.script else {}
    ended, parent = threading.Event(), os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with LocalEndpoint(
        script, delay_s=given.delay_ms / 1000, faults=faults, seed=given.seed, retry_after=given.retry_after,
        slow_s=given.slow_s, output_tokens=given.output_tokens, delay_spread=given.delay_spread, lacks=given.lacks.split(","),
        ignores=given.ignores.split(","), log=given.log,
    ) as server:  # fmt: skip
        new = given.port_file.with_name(f"{given.port_file.name}.{os.getpid()}.tmp")
        new.write_text(server.base_url.rsplit(":", 1)[1].removesuffix("/v1"))
        new.replace(given.port_file)
        while not ended.wait(0.5) and (not given.with_parent or os.getppid() == parent):
            pass


if __name__ == "__main__":
    main()
