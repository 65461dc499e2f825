"""Places that are no plain file: told of in a line, and never replaced."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen.errors import DataError
from datagen.formats.streams import whole_file
from datagen.work import source_name


def test_a_device_or_a_pipe_is_never_replaced_by_a_file(
    datagen: Callable[..., Any], write_jsonl: Callable[..., Path], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    for name in ("fifo", "link"):
        said = f"{name} is a device or a pipe, which a whole file cannot replace"
        with pytest.raises(DataError, match=said), whole_file(tmp_path / name):
            pass
    rows = write_jsonl("rows.jsonl", {"instruction": "a", "output": "b"})
    done = datagen("export", rows, "--to", "alpaca", "-o", "fifo")
    assert (done.returncode, done.stderr.startswith("datagen: fifo is a device or a pipe")) == (3, True)
    assert (tmp_path / "fifo").is_fifo()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["fifo", "link", "rows.jsonl"]


def test_a_link_that_leads_nowhere_is_one_line(datagen: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to("nothing")
    (tmp_path / "round").symlink_to("round")
    for name, to in (("gone", "nothing"), ("round", "round")):
        for words in (("stats", name), ("filter", name, "-o", "out"), ("mix", f"a={name}", "-o", "out")):
            done = datagen(*words)
            assert (done.returncode, done.stdout) == (3, "")
            assert done.stderr == f"datagen: {name} is a link to {to}, which is not there; mend it, or name another file\n"
        assert source_name(name) in (name, to)
