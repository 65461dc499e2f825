"""What cannot be written is one line that names the path and what to do."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from datagen.api import paths_of
from datagen.chat.journal import Journal, Tokens
from datagen.curate.rules import Rules
from datagen.data.shards import read_json
from datagen.errors import DataError, writing
from datagen.formats.read import read
from datagen.formats.sources import files
from datagen.formats.streams import whole_file
from datagen.formats.write import export
from datagen.recipe import make
from datagen.report.page import write_report
from datagen.reviews import Judgement, Review
from datagen.runner import execute
from datagen.stage import Context, scored

LARGE = [{"instruction": f"Say {i}.", "output": f"{i * 7919} and {i * 31}, " * 20} for i in range(500)]


def limited() -> None:
    """Let no file of this process grow over 16 KiB: as on a full disk, a write fails in the middle."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, 1 << 14))


@contextlib.contextmanager
def nearly_full(most: int = 1 << 14) -> Iterator[None]:
    """Let no file of this very process grow over so many bytes for a while."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run whose files are larger than what the disk takes."""
    folder = tmp_path_factory.mktemp("full")
    (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in LARGE))
    execute(make(["rules"], input=(str(folder / "rows.jsonl"),)), folder / "out", workers=1)
    return folder / "out"


def reviewed(out: Path) -> None:
    review = Review(out)
    for row in review.sample(500, 1):
        review.judge(Judgement(row["id"], "accept"))


async def many_answers(journal: Journal) -> None:
    for n in range(200):
        number = await journal.asked(f"key{n}", "m", "/v1", {"prompt": "x" * 2000}, 0, "here", Tokens(1, 1))
        await journal.answered(number, f"key{n}", "y" * 2000, None)


def journalled(out: Path) -> None:
    journal = Journal(out / "journal.sqlite")
    try:
        asyncio.run(many_answers(journal))
    finally:
        journal.close()


WRITERS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "report": (lambda out: write_report(out, read_json(out / "run.json")), "report.html", "ulimit -f"),
    "review": (reviewed, "review/judgements.jsonl", "ulimit -f"),
    "review as CSV": (lambda out: Review(out).export(out / "x.csv", Review(out).sample(500, 1)), "x.csv", "ulimit -f"),
    "what a review keeps": (lambda out: Review(out).write(), "review/kept", "ulimit -f"),
    "mix": (lambda out: execute(make([{"mix": {"sources": {"a": str(out)}}}]), out / "mixed"), "mixed/01-mix", "ulimit -f"),
    "journal": (journalled, "journal.sqlite", "nothing more is bought; free some space"),
    "new journal": (lambda out: Journal(out / "again" / "journal.sqlite"), "again/journal.sqlite", "free some space"),
    "copy of standard input": (lambda out: files(str(out / "pipe"), out / ".stdin"), ".stdin", "ulimit -f"),
    "table": (lambda out: paths_of(LARGE, out / "given" / "table.parquet"), "given/table.jsonl", "ulimit -f"),
    "CSV": (lambda out: export(read(str(out)), "alpaca", out / "x.csv"), tempfile.gettempdir(), "ulimit -f"),
    "LLaMA-Factory": (lambda out: export(read(str(out)), "llamafactory", out / "x.json"), tempfile.gettempdir(), "ulimit -f"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
def test_every_writer_names_its_path_and_what_to_do(finished: Path, name: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(finished, out)
    work, place, advice = WRITERS[name]
    if name == "what a review keeps":
        reviewed(out)
    if name == "copy of standard input":
        os.mkfifo(out / "pipe")
        threading.Thread(target=lambda: sink(out / "pipe"), daemon=True).start()
    with (
        pytest.raises(DataError) as told,
        nearly_full(1 << 18 if name == "journal" else 1 << 14),
    ):  # SQLite has files of 32 KiB beside
        work(out)
    assert str(told.value).startswith(str(out / place)) and advice in str(told.value)
    assert "\n" not in str(told.value)


def sink(pipe: Path) -> None:
    """Write more into a pipe than the disk takes."""
    with contextlib.suppress(BrokenPipeError):
        pipe.write_bytes(b'{"instruction": "Say it.", "output": "It."}\n' * 1000)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("filter", "rows.jsonl", "-o", "out", "--stage", "rules"), "out"),
        (("export", "rows.jsonl", "--to", "messages", "-o", "made/x.jsonl"), "made/x.jsonl"),
        (("export", "rows.jsonl", "--to", "parquet", "-o", "made/x.parquet"), "made/x.parquet"),
    ],
)
def test_a_write_that_fails_names_the_path_and_what_to_do(
    words: tuple[str, ...], place: str, tmp_path: Path, write_jsonl: Callable[..., Path], clean_environment: dict[str, str]
) -> None:
    write_jsonl("rows.jsonl", *LARGE)
    done = subprocess.run(
        [sys.executable, "-m", "datagen", *words], cwd=tmp_path, env=clean_environment, capture_output=True, text=True,
        preexec_fn=limited, timeout=300,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"datagen: {place}") and "ulimit -f" in last
    assert not list(tmp_path.glob("made/*"))


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "its disk is full"), (errno.EROFS, "can only be read"), (errno.EACCES, "there is no permission")],
)
def test_an_error_of_the_system_gets_the_path_that_it_lacks(number: int, words: str) -> None:
    with pytest.raises(DataError, match=f"^runs/x: .*{words}"), writing("runs/x"):
        raise OSError(number, "of Arrow, without a path")
    with pytest.raises(DataError, match=f"^runs/x: .*{words}"), writing("runs/x"):
        raise RuntimeError(f"Error while serializing: I/O error: (os error {number})")  # as safetensors says it
    with pytest.raises(OSError, match="unknown"), writing("runs/x"):
        raise OSError(errno.EIO, "unknown")


def test_a_file_in_the_place_of_a_folder_and_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DataError, match="move it away"), whole_file(tmp_path / "file" / "x.jsonl") as stream:
        stream.write(b"x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="is a folder; name a file"), whole_file(tmp_path / "folder") as stream:
        stream.write(b"x")
    assert (tmp_path / "file").read_text() == "mine"


class Full(Rules):
    """A stage on a full disk."""

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, Any]:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_no_fault_of_a_row() -> None:
    with pytest.raises(OSError, match="No space left"):
        scored(Full(), pa.table({"id": ["a", "b"]}), Context())
