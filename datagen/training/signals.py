"""Ctrl+C and SIGTERM while a run trains: noted, and followed once the step is saved."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from datagen.errors import Stopped

_SAID = b"\ndatagen: stopping after this step, which is saved first; once more stops at once\n"


@dataclass
class Heard:
    """The signal that came, 0 = none."""

    signal: int = 0


def stopped(done: int, steps: int, number: int, *, fresh: bool) -> Stopped:
    """Return what ends a run for a signal after so many of its steps, the last of which a checkpoint holds."""
    same = "the same command without --fresh" if fresh else "the same command"
    then = f"goes on from step {done + 1}" if done < steps else "goes on after the last step"
    return Stopped(f"stopped after step {done} of {steps}, which a checkpoint holds; {same} {then}", number)


@contextmanager
def heard() -> Iterator[Heard]:
    """Note Ctrl+C and SIGTERM for the length of the block instead of following them; the second one ends the process at once.

    Signals that are ignored stay so, and outside of the main thread, where Python hears none, nothing changes.
    """
    found = Heard()

    def hear(number: int, frame: FrameType | None) -> None:
        if found.signal:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        found.signal = number
        os.write(2, _SAID)  # a stream, or the bar, may be in the middle of a word of its own

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, hear)
    try:
        yield found
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
