"""What a run shows of itself on stderr: one line that moves on a terminal; in a pipe, a notebook or a log a line now and then.

Stdout is for results alone. A thread shows what is under way while a step itself is silent: a model that loads, a kernel that
decides over all rows, an endpoint that has not answered yet.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TextIO, TypeVar

from datagen.visible import in_a_line

SWITCH = "DATAGEN_PROGRESS"  # `off` in the environment: nothing is shown but what is said
QUIET_S = 2.0  # a step as short as this says nothing in a log, and leaves no line on a terminal
EVERY_S = 15.0  # between two lines of a log
TICK_S = 0.5  # between two looks at the clock
DRAW_S = 0.1  # at least, between two drawings of the line on a terminal
WIDEST = 80  # columns
NAME = 14  # columns of a step's name
BAR = "{desc} {percentage:3.0f}% [{bar:10}] {unit}"  # of tqdm, which cuts it to the terminal; the unit is all that is said
COUNT_EVERY = 100  # rows
MARKS = 60  # of which the pace is made: at most one per second, so that it is the pace of the last minute or longer

T = TypeVar("T")


@dataclass
class _Step:
    """A step under way; its pace counts from where it was first told how far it is, for what loads before is no work."""

    name: str
    total: int | None
    unit: str
    began: float
    done: int = 0
    note: str = ""
    told: bool = False  # a log has a line of it
    marks: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=MARKS))

    def at(self, done: int, now: float) -> None:
        self.done = done
        if not self.marks or now - self.marks[-1][0] >= 1:
            self.marks.append((now, done))

    def left_s(self, now: float) -> float | None:
        """Seconds that the rest will take at the pace of late; None where nothing tells."""
        if not self.total or not self.marks or self.done >= self.total:
            return None
        since, before = self.marks[0]
        if self.done <= before or now <= since:
            return None
        return (self.total - self.done) * (now - since) / (self.done - before)

    def counted(self) -> str:
        """How far it is: `120/400 steps`, `1,000 rows` where no total is known, "" where nothing was counted."""
        if self.total:
            return f"{self.done:,}/{self.total:,} {self.unit}"
        return f"{self.done:,} {self.unit}" if self.done else ""

    def words(self, now: float, *, elapsed: bool = True) -> str:
        """How far it is, how long it takes yet, and what was noted."""
        left = self.left_s(now)
        took = f"{span(now - self.began, fine=True)} so far" if elapsed else ""
        return ", ".join(part for part in (self.counted(), took if left is None else f"{span(left)} left", self.note) if part)

    def ended(self, now: float) -> str:
        """What it did, and in what time."""
        counted, took = self.counted(), span(now - self.began)
        return f"{counted} in {took}" if counted else f"took {took}"


class Bar:
    """A `work.Progress` on stderr: one line that moves on a terminal; elsewhere a line of what takes long, and every 15 s."""

    def __init__(
        self, stream: TextIO | None = None, *, quiet_s: float = QUIET_S, every_s: float = EVERY_S, tick_s: float = TICK_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """Show nothing yet.

        Args:
            stream: where to; by default stderr as it is now.
            quiet_s: how long a step may take without a word in a log.
            every_s: between two lines of a log.
            tick_s: between two looks at the clock while nothing is told.
            clock: seconds that never go back.
        """
        self.kept: int | None = None  # of a generator at work, with its aim and what was said last
        self.total, self.note, self.said = 0, "", ""
        self._stream = stream or sys.stderr
        self._off = os.environ.get(SWITCH) == "off"
        self._terminal = not self._off and self._stream is not None and self._stream.isatty()
        self._quiet_s, self._every_s, self._tick_s, self._clock = quiet_s, every_s, tick_s, clock
        self._step: _Step | None = None
        self._last = 0.0  # when a log got its last line, or the first step began
        self._drawn, self._shown = 0.0, 0  # when the terminal's line was drawn, and its columns
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._watch: threading.Thread | None = None

    def step(self, name: str, total: int | None, unit: str) -> None:
        """Begin a step; `total` is None where it is not known."""
        with self._lock:
            now = self._clock()
            self._end(now)
            self.kept, self.total = None, total or 0
            self._step = _Step(in_a_line(name), total, unit, now)
            if self._terminal:
                self._draw(now)
        if self._watch is None and not self._off:
            self._last = now
            self._over.clear()
            self._watch = threading.Thread(target=self._watched, name="datagen-progress", daemon=True)
            self._watch.start()

    def at(self, done: int, note: str = "", total: int | None = None) -> None:
        """So much of the step is done; `total` where it is known only now."""
        with self._lock:
            if (step := self._step) is None:
                return
            now = self._clock()
            if total is not None:
                step.total = self.total = total
            if note:
                self.kept, self.note, step.note = done, note, in_a_line(note)
            step.at(done, now)
            if self._terminal and now - self._drawn >= DRAW_S:
                self._draw(now)

    def counted(self, rows: Iterable[T]) -> Iterator[T]:
        """Yield rows, telling how many went by."""
        return counted(rows, self.at)

    def say(self, words: str) -> None:
        """Put words on a line of their own, above the bar; the same words are said once."""
        with self._lock:
            if words == self.said:
                return
            self.said, self._last = words, self._clock()
            self._erase()
            self._write(f"datagen: {in_a_line(words)}\n")
            if self._terminal and self._step is not None:
                self._draw(self._last)

    def tick(self) -> None:
        """Show the step under way where it is time to; the thread's work."""
        with self._lock:
            if (step := self._step) is None:
                return
            now = self._clock()
            if self._terminal:
                self._draw(now)
            elif (not step.told and now - step.began >= self._quiet_s) or now - self._last >= self._every_s:
                words = step.words(now, elapsed=step.told)
                self._write(f"datagen: {step.name}: {words}\n" if words else f"datagen: {step.name}\n")
                step.told, self._last = True, now

    def close(self) -> None:
        """End the last step; no thread and no line comes after."""
        self._over.set()
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.join()
        with self._lock:
            self._end(self._clock())

    def _watched(self) -> None:
        # Ctrl+C is the main thread's: elsewhere it would wake nobody who waits.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        while not self._over.wait(self._tick_s):
            self.tick()

    def _end(self, now: float) -> None:
        """Leave the last word on a step that took long."""
        step, self._step = self._step, None
        if step is None:
            return
        took = now - step.began
        if self._terminal and took >= self._quiet_s:
            self._draw(now, step, step.ended(now))
            self._write("\n")
            self._shown = 0
        elif self._terminal:
            self._erase()
        elif took >= self._every_s and not self._off:
            self._write(f"datagen: {step.name}: {step.ended(now)}\n")
            self._last = now

    def _draw(self, now: float, step: _Step | None = None, words: str | None = None) -> None:
        """Write a step's line over the one that is there, cut to the width of the terminal."""
        from tqdm import tqdm
        from tqdm.utils import disp_len

        if (step := step or self._step) is None:
            return
        words = step.words(now) if words is None else words
        line = tqdm.format_meter(
            min(step.done, step.total or 0), step.total or 0, now - step.began, ncols=self._columns(), ascii=".#",
            prefix=f"{step.name:<{NAME}}", unit=words, bar_format=BAR if step.total else "{desc} {unit}",
        )  # fmt: skip
        wide = disp_len(line)
        self._write(f"\r{line}{' ' * (self._shown - wide)}")
        self._drawn, self._shown = now, wide

    def _erase(self) -> None:
        if self._shown:
            self._write(f"\r{' ' * self._shown}\r")
            self._shown = 0

    def _columns(self) -> int:
        """One column less than the terminal has, for in the last one some go on to the next line."""
        try:
            columns = os.get_terminal_size(self._stream.fileno()).columns or WIDEST
        except (OSError, ValueError):
            columns = WIDEST
        return min(WIDEST, columns) - 1

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError, AttributeError):  # nobody reads stderr any more: the work itself goes on
            self._terminal = False


def counted(rows: Iterable[T], at: Callable[[int], None]) -> Iterator[T]:
    """Yield rows, telling now and then, and at the end, how many went by."""
    n = 0
    for n, row in enumerate(rows, start=1):
        yield row
        if n % COUNT_EVERY == 0:
            at(n)
    at(n)


@contextlib.contextmanager
def shown(name: str, total: int | None = None, unit: str = "rows") -> Iterator[Bar]:
    """Show one piece of work that is no run; its line ends with the block."""
    bar = Bar()
    bar.step(name, total, unit)
    try:
        yield bar
    finally:
        bar.close()


def span(seconds: float, *, fine: bool = False) -> str:
    """Return a time in words, rounded: `45 s`, `3 min`, `2 h 5 min`, `3 d 4 h`; fine, so that it moves: `3 min 5 s` too."""
    if seconds < 89.5:
        return f"{seconds:.0f} s"
    if fine and seconds < 600:
        return f"{round(seconds) // 60} min {round(seconds) % 60} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    return f"{hours // 24} d {hours % 24} h"
