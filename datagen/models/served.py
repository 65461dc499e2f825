"""A local model behind a loopback OpenAI-compatible endpoint: `transformers serve`, which dies with its parent.

The server is a child process that runs transformers' own command in itself and watches its parent, so that it ends even
when the parent is killed with SIGKILL. Nothing but 127.0.0.1 can reach it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

from datagen.errors import ModelError

START_TIMEOUT_S = 180.0
WATCH_EVERY_S = 0.5
# By default the server takes most of the machine's memory for its cache. This is room for 32 requests of 1,024 tokens.
BLOCK_TOKENS = 256
CACHE_TOKENS = 32_768
BATCH_TOKENS = 1_024


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers: an OpenAI-compatible base URL and the model's name there."""

    base_url: str
    model: str


@contextlib.contextmanager
def served(folder: str) -> Iterator[Endpoint]:
    """Serve the model of a folder for the length of the `with` block.

    Raises:
        ModelError: the server ended or did not answer within START_TIMEOUT_S; with its last line.
    """
    port = _free_port()
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "datagen.models.served", str(os.getpid()), folder, str(port)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1", "TOKENIZERS_PARALLELISM": "false"},
        )  # fmt: skip
        try:
            _wait_until_up(child, port, log)
            yield Endpoint(f"http://127.0.0.1:{port}/v1", folder)
        finally:
            child.kill()  # it holds nothing to save, and Ctrl+C must not wait for it
            child.wait()


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _wait_until_up(child: subprocess.Popen[bytes], port: int, log: object) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        try:
            with direct.open(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    log.seek(0)  # type: ignore[attr-defined]
    lines = log.read().decode(errors="replace").strip().splitlines()  # type: ignore[attr-defined]
    said = lines[-1] if lines else "it printed nothing"
    raise ModelError(f"the local model server did not start: {said}; check `pip install 'transformers[serving]'`")


def _serve_until_orphaned(parent: int, folder: str, port: int) -> None:
    """Run `transformers serve` in this process; end it as soon as its parent is gone."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_EVERY_S)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    from transformers.cli.transformers import app

    from datagen.models.causal_lm import computes_in_bfloat16

    dtype = "bfloat16" if computes_in_bfloat16("auto", "cpu") else "float32"  # emulated, bfloat16 is many times slower
    sys.argv = [
        "transformers", "serve", folder, "--device", "cpu", "--dtype", dtype, "--continuous-batching",
        "--cb-num-blocks", str(CACHE_TOKENS // BLOCK_TOKENS), "--cb-max-batch-tokens", str(BATCH_TOKENS),
        "--host", "127.0.0.1", "--port", str(port), "--log-level", "error",
    ]  # fmt: skip
    app()


if __name__ == "__main__":
    _serve_until_orphaned(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
