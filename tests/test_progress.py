"""What a run shows of itself: the words, the width, when a log gets a line, and that nothing is left behind."""

from __future__ import annotations

import io
import os
import pty
import re
import struct
import termios
import threading
import time
from fcntl import ioctl
from pathlib import Path

import pytest

import datagen as dg
from datagen.progress import Bar, shown, span


class Clock:
    """Seconds that go by when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Log:
    """A bar whose stream is no terminal, its thread never in time: the test itself looks at the clock, once a second."""

    def __init__(self) -> None:
        self.stream, self.clock = io.StringIO(), Clock()
        self.bar = Bar(self.stream, clock=self.clock, tick_s=3600)

    def after(self, seconds: int) -> list[str]:
        """Let seconds go by; return the lines that came."""
        before = len(self.stream.getvalue())
        for _ in range(seconds):
            self.clock.now += 1
            self.bar.tick()
        return self.stream.getvalue()[before:].splitlines()


@pytest.fixture
def log() -> Log:
    return Log()


def test_a_log_gets_a_line_at_the_start_and_every_15_seconds_with_the_time_left(log: Log) -> None:
    log.bar.step("train", None, "steps")
    assert log.after(1) == []
    assert log.after(1) == ["datagen: train"]  # a model loads: its steps are not known yet
    assert log.after(15) == ["datagen: train: 17 s so far"]
    log.bar.at(1, "loss 4.100", 400)
    for step in range(2, 31):
        log.clock.now += 1
        log.bar.at(step, "loss 3.900")
    assert log.after(1) == ["datagen: train: 30/400 steps, 6 min left, loss 3.900"]
    log.bar.close()
    assert log.stream.getvalue().splitlines()[3:] == ["datagen: train: 30/400 steps in 47 s"]


def test_a_log_says_nothing_of_quick_steps_but_what_is_under_way_when_they_add_up(log: Log) -> None:
    log.bar.step("rules", 60, "rows")
    log.bar.at(60)
    log.bar.step("write", None, "rows")
    log.bar.close()
    assert log.stream.getvalue() == ""
    told = []
    for number in range(20):
        log.bar.step(f"step {number}", 2, "rows")
        told += log.after(1)
    log.bar.close()
    assert told == ["datagen: step 14: 0/2 rows"]


def test_a_step_without_a_total_says_what_is_done(log: Log) -> None:
    log.bar.step("input", None, "rows")
    log.bar.at(52_000)
    assert log.after(2) == ["datagen: input: 52,000 rows"]
    assert log.after(15) == ["datagen: input: 52,000 rows, 17 s so far"]
    log.bar.step("minhash: decide", None, "rows")
    assert log.stream.getvalue().splitlines()[-1] == "datagen: input: 52,000 rows in 17 s"
    log.bar.close()


def test_the_time_left_is_of_the_pace_of_late_not_of_what_a_journal_gave_at_once(log: Log) -> None:
    log.bar.step("answer", 1000, "rows")
    log.bar.at(500)
    for row in range(501, 601):  # a row per second
        log.clock.now += 1
        log.bar.at(row)
    assert log.after(1) == ["datagen: answer: 600/1,000 rows, 7 min left"]
    log.bar.close()


def test_the_end_of_the_work_has_no_time_left(log: Log) -> None:
    log.bar.step("train", 2, "steps")
    for step in (1, 2):
        log.clock.now += 5
        log.bar.at(step)
    assert log.after(1) == ["datagen: train: 2/2 steps"]  # and then it measures
    log.bar.close()


def test_words_are_said_once_and_nothing_comes_before_a_step_or_after_the_end(log: Log) -> None:
    log.bar.at(3)
    assert log.after(60) == []
    log.bar.step("answer", 4, "rows")
    log.bar.say("batch 7: in_progress")
    log.bar.say("batch 7: in_progress")
    log.bar.close()
    log.bar.close()
    assert log.after(60) == []
    assert log.stream.getvalue() == "datagen: batch 7: in_progress\n"


def test_a_silent_step_is_shown_by_a_thread_that_ends_with_it() -> None:
    stream = io.StringIO()
    bar = Bar(stream, quiet_s=0.0, every_s=0.01, tick_s=0.01)
    bar.step("load", None, "models")
    until = time.monotonic() + 10
    while stream.getvalue().count("\n") < 3 and time.monotonic() < until:
        time.sleep(0.01)
    bar.close()
    told = stream.getvalue()
    assert told.startswith("datagen: load\ndatagen: load: 0 s so far\n")
    assert not [t for t in threading.enumerate() if t.name == "datagen-progress"]
    time.sleep(0.05)
    assert stream.getvalue() == told


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_no_thread_outlives_an_exception(error: type[BaseException]) -> None:
    def work() -> None:
        with shown("stats"):
            raise error

    with pytest.raises(error):
        work()
    assert not [t for t in threading.enumerate() if t.name == "datagen-progress"]


def test_a_stream_that_nobody_reads_any_more_does_not_end_the_work() -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as stream:
        bar = Bar(stream, quiet_s=0.0)
        bar.step("answer", 4, "rows")
        bar.tick()
        bar.say("something")
        bar.close()
        with pytest.raises(BrokenPipeError):
            stream.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), write)  # for the close


def screen(columns: int, note: str) -> tuple[list[str], str]:
    """Return all that a bar wrote on a terminal of so many columns, cut at each return, and what stands there at the end."""
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(slave, "w") as stream:
        clock = Clock()
        bar = Bar(stream, clock=clock, tick_s=3600)
        bar.step("self_instruct", 1000, "rows")
        for row in range(0, 1001, 100):
            clock.now += 10
            bar.at(row, note)
        bar.say("the endpoint asks to wait")
        bar.step("rouge: decide", None, "rows")
        clock.now += 1
        bar.step("write", None, "rows")
        clock.now += 3
        bar.close()
    text = "".join(iter(lambda: _read(master), ""))
    os.close(master)
    lines: list[str] = []
    for line in text.split("\r\n"):
        shows = ""
        for piece in line.split("\r"):
            shows = piece + shows[len(piece) :]
        lines.append(shows.rstrip())
    return re.split(r"[\r\n]+", text), "\n".join(lines)


def _read(master: int) -> str:
    try:
        return os.read(master, 4096).decode()
    except OSError:  # the other end is closed and all is read
        return ""


NOTE = "$12.3456, $0.01234/row, too_similar 1,234, unparsed 567, given up 89, and more that no line has room for"


@pytest.mark.parametrize("columns", [30, 80, 200])
def test_the_bar_stays_on_one_line_of_a_terminal_whatever_the_note(columns: int) -> None:
    pieces, _ = screen(columns, NOTE)
    assert max(len(p) for p in pieces if not p.startswith("datagen: ")) == min(80, columns) - 1
    assert any(p.startswith("self_instruct   30% [###.....") for p in pieces)


def test_a_terminal_keeps_a_line_of_each_step_that_took_long() -> None:
    pieces, shows = screen(80, "rules 3")
    assert "self_instruct   50% [#####.....] 500/1,000 rows, 50 s left, rules 3" in [p.rstrip() for p in pieces]
    assert shows == (
        "datagen: the endpoint asks to wait\n"
        "self_instruct  100% [##########] 1,000/1,000 rows in 2 min\n"
        "write          took 3 s\n"
    )


def test_a_wide_script_is_cut_by_its_columns() -> None:
    pieces, _ = screen(80, "标签" * 40)
    assert max(len(p) + sum(c in "标签" for c in p) for p in pieces) in (78, 79)


def test_the_environment_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATAGEN_PROGRESS", "off")
    log = Log()
    log.bar.step("train", 400, "steps")
    log.bar.at(20, "loss 3.900")
    log.clock.now += 60
    assert not [t for t in threading.enumerate() if t.name == "datagen-progress"]
    log.bar.say("batch 7: in_progress")
    log.bar.close()
    assert log.stream.getvalue() == "datagen: batch 7: in_progress\n"


def test_a_time_is_told_in_two_units_at_most() -> None:
    assert [span(s) for s in (0.2, 89.4, 90, 600, 7500, 273_600)] == ["0 s", "89 s", "2 min", "10 min", "2 h 5 min", "3 d 4 h"]
    assert [span(s, fine=True) for s in (45, 105, 120, 700)] == ["45 s", "1 min 45 s", "2 min 0 s", "12 min"]


SLOW = """
import time
from dataclasses import dataclass

import pyarrow as pa

from datagen.stage import Stage, Verdict


@dataclass(frozen=True)
class Slow(Stage):
    def decide(self, columns, ctx):
        time.sleep(2.8)
        return Verdict(pa.nulls(len(columns), pa.string()))
"""


@pytest.mark.slow
def test_the_python_face_says_where_it_is_when_it_takes_long(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_stages").mkdir()
    (tmp_path / "own_stages" / "slow.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    dg.filter([{"instruction": "Name a number.", "output": "7"}], stages=["own_stages.slow"], out=tmp_path / "out")
    out, err = capfd.readouterr()
    assert out == ""
    assert "datagen: own_stages.slow: decide\n" in err
