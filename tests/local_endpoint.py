"""A real OpenAI-compatible HTTP server on loopback: its text depends on the request body alone, its misbehaviour is scripted.

`LocalEndpoint(script={2: "429"})` answers the second request that arrives with 429 and every other one normally.
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
FAILURES = {"429": 429, "500": 500, "401": 401, "404": 404}
MISBEHAVIOUR = {*FAILURES, "quota", "cut", "broken", "no_choices", "no_usage", "null_text", "hang_up"}


def invented_tasks(body: Mapping[str, Any], tasks: int = 5, first: int = 4) -> str:
    """Return the completion that the server gives for a body: tasks of random words, drawn from the body's hash."""
    draw = random.Random(hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest())

    def words(n: int) -> str:
        return " ".join("".join(draw.choices(SYLLABLES, k=3)) for _ in range(n))

    parts = []
    for n in range(first, first + tasks):
        material = words(5) if draw.random() < 0.3 else "<noinput>"
        task = "Name three fruits that grow in winter" if draw.random() < 0.15 else f"Tell {words(7)}"
        answer = "" if draw.random() < 0.1 else f"It is {words(12)}."
        parts.append(f"{n}. Instruction: {task}\n{n}. Input: {material}\n{n}. Output: {answer}\n")
    return "###\n".join(parts)


class LocalEndpoint:
    """The server; `bodies` are the requests in the order of their arrival, as parsed JSON."""

    def __init__(self, script: Mapping[int, str] | None = None, *, always: str = "", delay_s: float = 0.0) -> None:
        self.script, self.always, self.delay_s = dict(script or {}), always, delay_s
        assert {*self.script.values(), always} <= MISBEHAVIOUR | {""}
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self._lock = threading.Lock()
        handler = type("Handler", (_Handler,), {"endpoint": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def requests(self) -> int:
        """How many requests arrived."""
        return len(self.bodies)

    def arrived(self, path: str, body: dict[str, Any]) -> str:
        """Count a request and return how to misbehave on it."""
        with self._lock:
            self.bodies.append(body)
            self.paths.append(path)
            return self.script.get(len(self.bodies), self.always)

    def __enter__(self) -> LocalEndpoint:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    endpoint: LocalEndpoint
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name of the base class)
        """Say nothing."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        wrong = self.endpoint.arrived(self.path, body)
        time.sleep(self.endpoint.delay_s)
        if wrong == "hang_up":
            self.close_connection = True
        elif self.path not in ("/v1/chat/completions", "/v1/completions"):
            self._send(404, {"error": {"message": f"no such path: {self.path}"}})
        elif wrong == "quota":
            self._send(429, {"error": {"message": "quota used up", "code": "insufficient_quota"}})
        elif wrong in FAILURES:
            self._send(FAILURES[wrong], {"error": {"message": f"scripted {wrong}", "code": None}})
        elif wrong == "broken":
            self._send_bytes(200, b'{"id": "x", "choices": [{"mess')
        else:
            self._send(200, self._answer(body, wrong))

    def _answer(self, body: dict[str, Any], wrong: str) -> dict[str, Any]:
        chat = self.path.endswith("/chat/completions")
        text: str | None = invented_tasks(body)
        if wrong == "cut":
            text = str(text)[:-30]
        if wrong == "null_text":
            text = None
        said: dict[str, Any] = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        choice = {"index": 0, "finish_reason": "length" if wrong == "cut" else "stop", **said}
        answer = {
            "id": "local",
            "object": "chat.completion" if chat else "text_completion",
            "created": 0,
            "model": body["model"],
            "choices": [] if wrong == "no_choices" else [choice],
        }
        if wrong != "no_usage":
            answer["usage"] = {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150}
        return answer

    def _send(self, status: int, content: dict[str, Any]) -> None:
        self._send_bytes(status, json.dumps(content).encode())

    def _send_bytes(self, status: int, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status != 200:
            self.send_header("Retry-After", "0")
            self.send_header("retry-after-ms", "1")  # the client reads a Retry-After of 0 as none and backs off
        with suppress(ConnectionError):  # who asked may have been killed meanwhile
            self.end_headers()
            self.wfile.write(data)
