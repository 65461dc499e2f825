"""A server of this machine that speaks the upload API of the Hugging Face hub: repositories, preupload, LFS, commits.

It keeps what is committed in a folder, one for each repository, and checks what the hub checks: the token, the hash of each
large file, that a name deleted is there. `refuse` answers every commit with HTTP 403.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit


class LocalHub:
    """The hub, as long as the `with` block lasts."""

    def __init__(self, folder: Path, *, token: str = "hf_mine", refuse: bool = False) -> None:
        self.folder, self.token, self.refuse = folder, token, refuse
        self.repositories: dict[str, dict[str, Any]] = {}  # "datasets/owner/name" -> what it was made with
        self.commits: list[dict[str, Any]] = []
        self.objects: dict[str, bytes] = {}
        hub = self

        class Handler(_Handler):
            """With its hub."""

            local = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> LocalHub:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()

    def files(self, repository: str) -> dict[str, bytes]:
        """Give the files of a repository."""
        root = self.folder / repository
        return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


class _Handler(BaseHTTPRequestHandler):
    local: LocalHub

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("content-length") or 0))

    def _answer(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        if status >= 400:
            self.send_header("X-Error-Message", value["error"])
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        """The tree of a repository."""
        path = urlsplit(self.path).path
        if path.startswith("/api/") and "/tree/" in path:
            repository = path.removeprefix("/api/").partition("/tree/")[0]
            files = self.local.files(repository)
            self._answer(200, [{"type": "file", "path": n, "size": len(d), "oid": "0" * 40} for n, d in files.items()])
        else:
            self._answer(404, {"error": f"no such path: {path}"})

    def do_POST(self) -> None:
        """Everything that changes something."""
        path, body = urlsplit(self.path).path, self._body()
        if self.headers.get("authorization") != f"Bearer {self.local.token}":
            self._answer(401, {"error": "Invalid username or password."})
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._answer(200, {"errors": [], "warnings": []})
        elif "/preupload/" in path:
            large = [f["path"].endswith((".parquet", ".safetensors")) for f in json.loads(body)["files"]]
            names = [f["path"] for f in json.loads(body)["files"]]
            kinds = ["lfs" if big else "regular" for big in large]
            modes = [{"path": n, "uploadMode": k, "shouldIgnore": False} for n, k in zip(names, kinds, strict=True)]
            self._answer(200, {"files": modes})
        elif path.endswith(".git/info/lfs/objects/batch"):
            self._batch(json.loads(body))
        elif "/commit/" in path:
            self._commit(path, body)
        else:
            self._answer(404, {"error": f"no such path: {path}"})

    def do_PUT(self) -> None:
        """A large file."""
        name, data = self.path.rpartition("/")[2], self._body()
        assert hashlib.sha256(data).hexdigest() == name
        self.local.objects[name] = data
        self._answer(200, {})

    def _create(self, asked: dict[str, Any]) -> None:
        kind = asked.get("type") or "model"
        owner, name = asked.get("organization") or "me", asked["name"]
        repository = f"{kind}s/{owner}/{name}"
        there = repository in self.local.repositories
        self.local.repositories.setdefault(repository, asked)
        (self.local.folder / repository).mkdir(parents=True, exist_ok=True)
        prefix = "datasets/" if kind == "dataset" else ""
        self._answer(409 if there else 200, {"url": f"{self.local.address}/{prefix}{owner}/{name}", "error": "it is there"})

    def _batch(self, asked: dict[str, Any]) -> None:
        objects = [
            {"oid": o["oid"], "size": o["size"], "actions": {"upload": {"href": f"{self.local.address}/lfs/{o['oid']}"}}}
            for o in asked["objects"]
        ]
        self._answer(200, {"transfer": "basic", "objects": objects})

    def _commit(self, path: str, body: bytes) -> None:
        if self.local.refuse:
            self._answer(403, {"error": "Forbidden: you must use a write token"})
            return
        repository = path.removeprefix("/api/").partition("/commit/")[0]
        root = self.local.folder / repository
        changes = [json.loads(line) for line in body.decode().splitlines()]
        for change in changes:
            value = change["value"]
            place = root / value.get("path", "") if change["key"] != "header" else root
            if change["key"] == "deletedFile":
                place.unlink()
            elif change["key"] in ("file", "lfsFile"):
                place.parent.mkdir(parents=True, exist_ok=True)
                small = change["key"] == "file"
                place.write_bytes(base64.b64decode(value["content"]) if small else self.local.objects[value["oid"]])
        self.local.commits.append(changes[0]["value"])
        number = f"{len(self.local.commits):040x}"
        address = f"{self.local.address}/{repository.removeprefix('models/')}/commit/{number}"
        self._answer(200, {"commitUrl": address, "commitOid": number, "hookOutput": ""})
