"""SIGTERM as Ctrl+C: what a scheduler or a container's stop sends ends a command with the same words, and its own exit code."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_came = signal.SIGINT  # the one that ends the command


def exit_code() -> int:
    """Return the exit code of a command that a signal ended, as shells have it: 130 or 143."""
    return 128 + _came


@contextmanager
def term_as_interrupt() -> Iterator[None]:
    """Follow the first SIGTERM as Ctrl+C for the length of the block; the second one ends the process at once.

    One that is ignored stays so, as does one that a caller handles; outside of the main thread nothing changes.
    """
    global _came  # a process has one command
    _came = signal.SIGINT
    own = os.getpid()

    def follow(number: int, frame: FrameType | None) -> None:
        global _came
        signal.signal(number, signal.SIG_DFL)
        if os.getpid() != own:  # a fork of this process, which its parent ends
            os.kill(os.getpid(), number)
            return
        _came = signal.SIGTERM
        interrupt = signal.getsignal(signal.SIGINT)
        if callable(interrupt):
            interrupt(signal.SIGINT, frame)
        else:  # a job in the background of a shell script ignores Ctrl+C
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, follow)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
