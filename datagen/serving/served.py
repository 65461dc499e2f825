"""A local model behind a loopback OpenAI-compatible endpoint, in a child process that dies with its parent.

A GGUF file is served by llama.cpp, a folder by `transformers serve`. The child watches its parent, so that it ends even when
the parent is killed with SIGKILL. Nothing but 127.0.0.1 can reach it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from datagen.child import python
from datagen.errors import ModelError, UsageError

START_TIMEOUT_S = 180.0
_LLAMA_ERROR = re.compile(
    r"^[\d.]+ E +(?:srv +|cmn +)?\w+: +(?:init: |error: )*(.+(?:\n(?![\d.]+ [A-Z] |Traceback).+)*)", re.MULTILINE
)
# Threads of llama.cpp (GNU OpenMP) look for each other so many times, some microseconds, and then sleep. By default they spin,
# and starve beside other work: beside two busy processes one stream had 15 tokens/s so, 36 with this, 17 where they sleep at
# once; alone 107, 90 and 35, and with 16 in flight 184, 173 and 111 (two cores, AVX2).
_SLEEP = {"GOMP_SPINCOUNT": "20000"}
_OFFLINE = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_UPDATE_CHECK": "1", "TOKENIZERS_PARALLELISM": "false"}


@dataclass(frozen=True)
class Endpoint:
    """Where a model answers: an OpenAI-compatible base URL and the model's name there; `process` is the server's id."""

    base_url: str
    model: str
    process: int = 0
    alive: Callable[[], bool] = lambda: True


class ServerError(ModelError):
    """A server that did not start; `illegal` where the processor lacks instructions that it needs."""

    illegal = False


@contextlib.contextmanager
def served(model: str, port: int = 0) -> Iterator[Endpoint]:
    """Serve the model of a GGUF file or of a folder for the length of the `with` block, at a port; 0 = a free one.

    Raises:
        UsageError: something else listens at the port.
        ModelError: a file that is no GGUF, or without a chat template.
        ServerError: the server ended or did not answer within START_TIMEOUT_S, with what it said; or it cannot use the chat
            template.
    """
    from datagen.models.gguf_file import read_gguf
    from datagen.models.names import is_gguf

    if is_gguf(model):
        found = read_gguf(model)
        arguments = ["datagen.serving.llama_server", model, str(found.context), str(found.kv_bytes)]
    else:
        arguments = ["datagen.serving.transformers_server", model]
    port = _free_port(port)
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            python(arguments[0], os.getpid(), port, *arguments[1:]),
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**_SLEEP, **os.environ, **_OFFLINE},
            process_group=0,  # Ctrl+C is for who asks: what is under way may still be waited for, and a conversation goes on
        )  # fmt: skip
        try:
            _wait_until_up(child, port, log, model)
            if is_gguf(model):
                _check_template(port, model)
            yield Endpoint(f"http://127.0.0.1:{port}/v1", model, child.pid, lambda: child.poll() is None)
        finally:
            child.kill()  # it holds nothing to save, and Ctrl+C must not wait for it
            child.wait()


def _free_port(port: int) -> int:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what a server left behind that has just ended is no hindrance
        try:
            s.bind(("127.0.0.1", port))
        except OSError as e:
            raise UsageError(f"port {port} cannot be had ({e.strerror}): give another --port, or 0 for a free one") from None
        return int(s.getsockname()[1])


def opener() -> urllib.request.OpenerDirector:
    """Return what opens addresses of this machine, past any proxy."""
    return urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _wait_until_up(child: subprocess.Popen[bytes], port: int, log: IO[bytes], model: str) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        try:
            with opener().open(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    log.seek(0)
    raise _not_started(child.poll(), log.read().decode(errors="replace").strip(), model)


def _not_started(code: int | None, said: str, model: str) -> ServerError:
    """Return why a server did not start, by its exit code (None: it still runs) and its log."""
    from datagen.models.names import is_gguf

    last = said.splitlines()[-1] if said else "it printed nothing"
    if not is_gguf(model):
        return ServerError(f"the local model server did not start: {last}; check `pip install 'transformers[serving]'`")
    if "No module named 'xllamacpp'" in last:
        return ServerError("a GGUF file is served by llama.cpp, which is not installed: pip install xllamacpp")
    if last.startswith("ImportError"):
        return ServerError(f"llama.cpp cannot be loaded ({last[:200]}): pip install --force-reinstall --no-deps xllamacpp")
    if code == -signal.SIGILL:
        error = ServerError("llama.cpp cannot run on this processor: the wheel xllamacpp needs AVX2 and FMA")
        error.illegal = True
        return error
    if code is not None and code < 0:
        last = f"it was ended by {signal.Signals(-code).name}"
    elif code is None:
        last = f"no answer within {START_TIMEOUT_S:.0f} s"
    elif found := _LLAMA_ERROR.search(said):  # the first error is the cause, the last ones are its consequences
        last = found[1]
    return ServerError(f"llama.cpp cannot serve {model}: {' '.join(last.split())[:300]}; name another GGUF file, or a folder")


def _check_template(port: int, model: str) -> None:
    """Fill in the chat template once, before anything is asked.

    Raises:
        ServerError: it cannot be.
    """
    body = json.dumps({"messages": [{"role": "user", "content": "x"}]}, allow_nan=False).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/apply-template", body, {"Content-Type": "application/json"})
    try:
        with opener().open(request, timeout=START_TIMEOUT_S):
            return
    except urllib.error.HTTPError as e:
        said: Any = e.read().decode(errors="replace")
    except OSError as e:
        said = str(e)
    with contextlib.suppress(ValueError, KeyError, TypeError):
        said = json.loads(said)["error"]["message"]
    words = " ".join(str(said).split())[:300]
    raise ServerError(f"the chat template of {model} cannot be filled in: {words}; name another GGUF file")
