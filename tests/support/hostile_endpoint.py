"""An endpoint that replies as a test says, byte for byte, and a client that asks it through a journal."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from datagen.chat.client import Chat
from datagen.chat.completion import Completion
from datagen.chat.journal import Journal
from datagen.chat.opening import opened
from datagen.chat.options import ModelOptions

KEY = "sk-ab/cd+efghijklmnop"
Reply = tuple[int, dict[str, str], bytes]


def answer(content: Any, usage: Any = None) -> dict[str, Any]:
    counts = {"prompt_tokens": 10, "completion_tokens": 20} if usage is None else usage
    return {"choices": [{"message": {"content": content}, "finish_reason": "stop"}], "usage": counts}


def encoded(value: Any, **headers: str) -> Reply:
    return 200, {"Content-Type": "application/json", **headers}, json.dumps(value).encode()


class Endpoint:
    """A server that replies as a function of the number of the request says."""

    def __init__(self, reply: Callable[[int], Reply]) -> None:
        self.requests = 0
        self.paths: list[str] = []
        self.keys: list[tuple[str | None, str | None]] = []
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                owner.requests += 1
                owner.paths.append(self.path)
                owner.keys.append((self.headers.get("Authorization"), self.headers.get("api-key")))
                status, headers, body = reply(owner.requests)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"

    def __enter__(self) -> Endpoint:
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


def asked(
    journal: Journal, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, key: str = KEY, draws: int = 1, **options: Any
) -> tuple[list[Completion], Chat]:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    body = {"messages": [{"role": "user", "content": "x"}], "max_tokens": 100}

    async def work(chat: Chat) -> list[Completion]:
        try:
            return [await chat.complete("chat/completions", body, draw) for draw in range(draws)]
        finally:
            await chat.close()

    with opened(ModelOptions(model="m", base_url=endpoint.base_url, **options), journal) as chat:
        return asyncio.run(work(chat)), chat
