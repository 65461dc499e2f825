"""The files and batches of the local endpoint, as in the Batch API of OpenAI; what each request of one meets is scripted."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from endpoint_faults import Reply

CONNECTION = {"hang", "hang_up", "reset", "slow"}  # of faults: in a batch such a request expires


@dataclass
class Batch:
    """One batch: its file, where it is, and how many more questions after it until it is done."""

    id: str
    input_file: str
    endpoint: str
    metadata: dict[str, str]
    left: int
    status: str = "in_progress"
    output_file: str | None = None
    error_file: str | None = None
    total: int = 0

    def told(self) -> dict[str, Any]:
        done = self.total if self.output_file else 0
        return {
            "id": self.id, "object": "batch", "endpoint": self.endpoint, "completion_window": "24h", "created_at": 1,
            "status": self.status, "input_file_id": self.input_file, "metadata": self.metadata,
            "output_file_id": self.output_file, "error_file_id": self.error_file,
            "request_counts": {"total": self.total, "completed": done, "failed": 0},
        }  # fmt: skip


@dataclass
class Batches:
    """The files and batches of one endpoint; `polls` is how often one is asked after before it is done."""

    answered: Callable[[str, dict[str, Any]], tuple[str, Reply]]
    polls: int = 2
    spoil: Callable[[dict[str, Any]], dict[str, Any] | None] | None = None  # of the first line of a batch that was answered
    files: dict[str, bytes] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)

    def post(self, path: str, raw: bytes) -> Reply:
        """Answer a POST below /v1/files or /v1/batches."""
        if path == "/v1/files":
            return self._uploaded(raw)
        if path == "/v1/batches":
            body = json.loads(raw)
            name = f"batch_{len(self.batches)}"
            made = Batch(name, body["input_file_id"], body["endpoint"], body.get("metadata") or {}, self.polls)
            made.total = self.files[made.input_file].count(b"\n")
            self.batches[name] = made
            return _json(made.told())
        if hit := re.fullmatch(r"/v1/batches/(\w+)/cancel", path):
            batch = self.batches[hit[1]]
            if batch.status == "in_progress":
                batch.status, batch.left = "cancelling", 1
            return _json(batch.told())
        return Reply(404, b'{"error": {"message": "Not Found"}}')

    def get(self, path: str) -> Reply:
        """Answer a GET below /v1/files or /v1/batches."""
        path = path.partition("?")[0]
        if path == "/v1/batches":
            return _json({"object": "list", "data": [b.told() for b in self.batches.values()], "has_more": False})
        if (hit := re.fullmatch(r"/v1/batches/(\w+)", path)) and hit[1] in self.batches:
            batch = self.batches[hit[1]]
            self._moved_on(batch)
            return _json(batch.told())
        if (hit := re.fullmatch(r"/v1/files/(\w+)/content", path)) and hit[1] in self.files:
            return Reply(200, self.files[hit[1]])
        return Reply(404, b'{"error": {"message": "Not Found"}}')

    def _uploaded(self, raw: bytes) -> Reply:
        boundary = raw.split(b"\r\n", 1)[0]
        parts = [p.split(b"\r\n\r\n", 1) for p in raw.split(boundary) if b"\r\n\r\n" in p]
        data = next(body.removesuffix(b"\r\n") for head, body in parts if b"filename=" in head)
        name = f"file_{len(self.files)}"
        self.files[name] = data
        return _json({"id": name, "object": "file", "purpose": "batch", "bytes": len(data), "created_at": 1, "filename": "x",
                      "status": "processed"})  # fmt: skip

    def _moved_on(self, batch: Batch) -> None:
        if batch.status not in ("in_progress", "cancelling"):
            return
        batch.left -= 1
        if batch.left > 0:
            return
        cancelled = batch.status == "cancelling"
        lines = self.files[batch.input_file].splitlines()
        good, bad = [], []
        for line in lines[: len(lines) // 2] if cancelled else lines:
            asked = json.loads(line)
            fault, reply = self.answered(asked["url"], asked["body"])
            if fault in CONNECTION:
                expired = {"code": "batch_expired", "message": "expired"}
                bad.append({"custom_id": asked["custom_id"], "response": None, "error": expired})
                continue
            try:
                body = json.loads(reply.data)
            except ValueError:
                body = {"error": {"message": "broken"}}
            told = {"custom_id": asked["custom_id"], "response": {"status_code": reply.status, "body": body}, "error": None}
            (good if reply.status == 200 else bad).append(told)
        if self.spoil is not None and good:
            good = [*([one] if (one := self.spoil(good[0])) is not None else []), *good[1:]]
        batch.output_file, batch.error_file = self._written(good), self._written(bad)
        batch.status = "cancelled" if cancelled else "completed"

    def _written(self, lines: list[dict[str, Any]]) -> str | None:
        if not lines:
            return None
        name = f"file_{len(self.files)}"
        self.files[name] = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        return name


def _json(value: Any) -> Reply:
    return Reply(200, json.dumps(value).encode())
