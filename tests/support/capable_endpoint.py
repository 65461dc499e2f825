"""A real HTTP server whose model can do everything that the doctor asks for, or all but what a test takes away from it."""

from __future__ import annotations

import hashlib
import json
import random
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from datagen.doctor.doctor import Findings, examine

NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
TEMPLATE_TOKENS = 7


class ModelServer:
    """A model whose tokens are words, at a real address.

    `ignores` are parameters that it accepts and does not obey, `refuses` those that it answers with HTTP 400, `hangs` those
    that it never answers; `lacks` are paths and parts of an answer that are not there.
    """

    def __init__(
        self, *, ignores: str = "", refuses: str = "", hangs: str = "", lacks: str = "", key: str | None = None,
        entry: dict[str, Any] | None = None, headers: dict[str, str] | None = None, models: tuple[str, ...] = ("tiny-chat",),
        prefix: str = "/v1", says: Callable[[str], str] | None = None, limited: int = 0,
    ) -> None:  # fmt: skip
        self.ignores, self.refuses, self.hangs, self.lacks = ({*text.split()} for text in (ignores, refuses, hangs, lacks))
        self.key, self.entry, self.headers, self.models, self.prefix = key, entry or {}, headers or {}, models, prefix
        self.says, self.limited = says, limited
        self.bodies: list[dict[str, Any]] = []
        self.closing = threading.Event()
        self.under_way = 0
        self._lock = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"model": self}))
        self._server.daemon_threads = True
        self.root = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.base_url = self.root + prefix

    def __enter__(self) -> ModelServer:
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()

    def beside(self, body: dict[str, Any]) -> bool:
        """Whether another request came together with this one, which is waited for only where it matters."""
        with self._lock:
            self.under_way += 1
            self._lock.notify_all()
            earlier, wait_s = len(self.bodies), 0.15 if "seeds" in self.lacks and "seed" in body else 0
            return self._lock.wait_for(lambda: self.under_way > 1 or len(self.bodies) > earlier, wait_s)

    def ended(self) -> None:
        with self._lock:
            self.under_way -= 1

    def arrived(self, body: dict[str, Any]) -> int:
        with self._lock:
            self.bodies.append(body)
            return len(self.bodies)

    def obeyed(self, body: dict[str, Any], name: str, default: Any = None) -> Any:
        return default if name in self.ignores else body.get(name, default)

    def choice(self, body: dict[str, Any], prompt: str, index: int, chat: bool, beside: bool) -> tuple[dict[str, Any], int]:
        """One choice, and the number of its tokens."""
        drawn = self.obeyed(body, "temperature", 1) > 0 and self.obeyed(body, "top_p", 1) > 0.01
        number = None if "seeds" in self.lacks and beside else self.obeyed(body, "seed")
        start = (number or f"{len(self.bodies)}.{index}") if drawn and "draws" not in self.lacks else 0
        draw = random.Random(hashlib.sha256(f"{prompt}{start}".encode()).hexdigest())
        words = draw.choices(NUMBERS, k=200)
        if body.get("response_format") and "response_format" not in self.ignores:
            words = ['{"capital_city":', '"Paris"}']
        elif self.says is not None:
            words = self.says(prompt).split(" ")
        elif not chat and prompt.endswith(" la"):
            words = ["zy", "dog"]
        limit = self.obeyed(body, "max_completion_tokens") or self.obeyed(body, "max_tokens") or 10_000
        cut, text, ended = len(words) > limit, " ".join(words[:limit]), False
        for mark in self.obeyed(body, "stop", []):
            text, found, _ = text.partition(mark)
            ended = ended or bool(found)
        said: dict[str, Any] = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        if "thought" in self.lacks:  # of an answer: all of a short one is thinking
            said = {"message": {"role": "assistant", "content": None if cut else text, "reasoning_content": "Hm."}}
        if body.get("logprobs") and "logprobs" not in self.ignores:
            tokens = [{"token": w, "logprob": -0.1, "top_logprobs": [{}, {}]} for w in text.split()]
            said["logprobs"] = {"content": tokens} if chat else {"token_logprobs": [-0.1]}
        return {"index": index, "finish_reason": "length" if cut and not ended else "stop", **said}, len(text.split())


class Handler(BaseHTTPRequestHandler):
    model: ModelServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body go out as they come, not after 40 ms

    def log_message(self, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].removeprefix(self.model.prefix)
        if self.refused(path):
            return
        if path == "/models":
            self.send(200, {"data": [{"id": name, **self.model.entry} for name in self.model.models]})
        else:
            self.send(200, {"data": []})

    def do_POST(self) -> None:
        model, body = self.model, json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        count, path = model.arrived(body), self.path.removeprefix(model.prefix)
        names = {*body, *(m["role"] for m in body.get("messages", ()))}
        if count <= model.limited:
            self.send(429, {"error": {"message": "slow down"}}, {"Retry-After": "0.1"})
            return
        if model.hangs & names:
            model.closing.wait(20)
            return
        if self.refused(path):
            return
        if body["model"] not in model.models:
            self.send(404, {"error": {"message": f"The model {body['model']} does not exist"}})
            return
        for name in sorted(model.refuses & names):
            other = "; use 'max_completion_tokens' instead" if name == "max_tokens" else ""
            self.send(400, {"error": {"message": f"Unsupported parameter: '{name}' is not supported{other}"}})
            return
        chat = path == "/chat/completions"
        said = [m["content"] for m in body.get("messages", ()) if m["role"] not in model.ignores]
        prompt = " ".join(said) or body.get("prompt", "")
        longest = model.entry.get("holds", 10**9)
        if len(prompt.split()) > longest:
            self.send(400, {"error": {"message": f"This model's maximum context length is {longest} tokens."}})
            return
        beside = model.beside(body)
        choices = [model.choice(body, prompt, i, chat, beside) for i in range(model.obeyed(body, "n", 1))]
        time.sleep(0.005)
        model.ended()
        template = TEMPLATE_TOKENS if chat or "raw" in model.lacks else 0
        answer: dict[str, Any] = {"model": body["model"], "choices": [c for c, _ in choices]}
        if "usage" not in model.lacks:
            tokens = sum(t for _, t in choices)
            answer["usage"] = {"prompt_tokens": len(prompt.split()) + template, "completion_tokens": tokens}
        self.send(200, answer, model.headers)

    def refused(self, path: str) -> bool:
        """Whether the path or the key is not good enough."""
        model = self.model
        if not self.path.startswith(model.prefix) or path.strip("/").replace("/", ".") in model.lacks:
            self.send_bytes(404, b"<html>Not Found</html>")
        elif model.key and self.headers["Authorization"] != f"Bearer {model.key}":
            self.send(401, {"error": {"message": f"bad header\nAuthorization: {self.headers['Authorization']}"}})
        else:
            return False
        return True

    def send(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        self.send_bytes(status, json.dumps(content).encode(), headers)

    def send_bytes(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def found(server: ModelServer, model: str | None = "tiny-chat", **options: Any) -> Findings:
    """Return what the doctor finds at a server."""
    with server:
        return examine(server.base_url, model, **{"timeout_s": 5.0, **options})
