"""The command line in this process: the arguments, the folder and the environment of a command, and what it printed.

A process takes a second to start and imports everything anew; what a test asks of a command is nearly always in its exit code
and its two streams. Signals, kills, what `--help` imports and one test per exit code take real processes.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

Finished = subprocess.CompletedProcess[str]


def run_here(args: tuple[Any, ...], folder: Path, stdin: str, environment: Mapping[str, str]) -> Finished:
    """Run `datagen ARGS` in a folder; return its exit code and what it printed, as `subprocess.run` does."""
    from datagen.cli import main

    words = list(map(str, args))
    with contextlib.ExitStack() as stack:
        said, complained = (stack.enter_context(_stream(name)) for name in ("stdout", "stderr"))
        given = io.TextIOWrapper(io.BytesIO(stdin.encode("utf-8", "surrogateescape")), "utf-8", "surrogateescape")
        stack.enter_context(mock.patch.object(sys, "stdin", given))
        stack.enter_context(mock.patch.object(sys, "argv", ["datagen", *words]))
        stack.enter_context(mock.patch.object(sys, "path", list(sys.path)))
        stack.enter_context(mock.patch.dict(os.environ, environment, clear=True))
        stack.enter_context(contextlib.chdir(folder))
        stack.enter_context(_forgotten(folder))
        try:
            main(words)
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        return Finished(words, code, _text(said), _text(complained))


@contextlib.contextmanager
def _stream(name: str) -> Iterator[io.TextIOWrapper]:
    """Put a stream of bytes in the place of stdout or stderr."""
    with mock.patch.object(sys, name, io.TextIOWrapper(io.BytesIO(), "utf-8", "surrogateescape", write_through=True)) as stream:
        yield stream


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode("utf-8", "surrogateescape")


@contextlib.contextmanager
def _forgotten(folder: Path) -> Iterator[None]:
    """Forget the modules of the folder afterwards: another test has others of the same name."""
    importlib.invalidate_caches()
    places, before = (str(folder), str(folder.resolve())), set(sys.modules)
    try:
        yield
    finally:
        for name in sys.modules.keys() - before:
            if (getattr(sys.modules[name], "__file__", None) or "").startswith(places):
                del sys.modules[name]
