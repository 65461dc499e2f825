"""What cannot be written is one line that names the path and what to do."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from datagen.curate.rules import Rules
from datagen.errors import DataError, writing
from datagen.formats.streams import whole_file
from datagen.stage import Context, scored

LARGE = [{"instruction": f"Say {i}.", "output": f"{i * 7919} and {i * 31}, " * 20} for i in range(500)]


def limited() -> None:
    """Let no file of this process grow over 16 KiB: as on a full disk, a write fails in the middle."""
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 14, 1 << 14))


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
