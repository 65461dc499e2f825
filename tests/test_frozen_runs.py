"""Run folders that earlier code made: the same command finds nothing to do in them, and makes the same elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Finished
from frozen_runs import COMMANDS, PORT, prepare, result, unpack, words
from local_endpoint import LocalEndpoint

AGAIN = [
    pytest.param(name, marks=[pytest.mark.slow] if name in ("filter-semantic", "filter-ifd") else [])  # they load models
    for name, frozen in COMMANDS.items()
    if frozen.again
]
NOBODY = f"http://127.0.0.1:{PORT}/v1"  # no request is needed


def digests(folder: Path) -> dict[str, str]:
    """Return what stands in a folder, its lock apart."""
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != ".datagen" and "journal.sqlite-" not in p.name)
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_same_command_finds_nothing_to_do(name: str, datagen: Callable[..., Finished], tmp_path: Path) -> None:
    unpack(name, tmp_path)
    before = digests(tmp_path / "out")
    done = datagen(*words(COMMANDS[name], NOBODY, "out"))
    assert (done.returncode, "nothing to do" in done.stdout + done.stderr) == (0, True), done.stderr
    assert digests(tmp_path / "out") == before


@pytest.mark.slow
@pytest.mark.parametrize("name", AGAIN)
def test_elsewhere_it_makes_the_same(name: str, datagen: Callable[..., Finished], tmp_path: Path) -> None:
    """Rows with their ids, drops with their reasons, and the keys of what is asked."""
    unpack(name, tmp_path)
    prepare(COMMANDS[name], tmp_path / "inputs")
    for file in (tmp_path / "inputs").iterdir():
        if file.is_file():
            assert file.read_bytes() == (tmp_path / file.name).read_bytes()
    with LocalEndpoint(seed=5) as server:
        done = datagen(*words(COMMANDS[name], server.base_url, "anew"))
    assert done.returncode == 0, done.stderr
    assert result(tmp_path / "anew") == result(tmp_path / "out")
