"""A person's file in a run folder is there afterwards, unchanged, whatever happens to the run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen import folders
from datagen.data.shards import count_rows
from datagen.errors import DatagenError
from datagen.recipe import make
from datagen.reviews import Judgement, Review
from datagen.runner import execute

ROWS = [
    {"instruction": "Name the capital of France.", "output": "Paris"},
    {"instruction": "Write a haiku about rain.", "output": "Soft rain on the roof"},
    {"instruction": "Say nothing.", "output": "  "},
]
PLACES = (
    "notes.txt", "plan/draft.md", "00-input/mine.txt", "00-input/rows/mine.csv", "01-rules/mine.txt",
    "01-rules/scores/mine.json",
    "kept/mine.jsonl", "kept/README.md", "kept/sub/mine.txt", "dropped/mine.txt", "review/mine.txt", "review/kept/mine.txt",
    "adapter/notes.txt", "2024-plan/mine.txt", "07-mine/a.txt",
)  # fmt: skip


def put(out: Path) -> dict[Path, str]:
    """Lay a file of a person's at every place."""
    for place in PLACES:
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        (out / place).write_text(f"mine: {place}")
    return {out / place: f"mine: {place}" for place in PLACES}


def held(files: dict[Path, str]) -> bool:
    return {p: p.read_text() for p in files if p.exists()} == files


@pytest.fixture
def source(write_jsonl: Callable[..., Path]) -> Path:
    return write_jsonl("rows.jsonl", *ROWS)


def filtered(source: Path, out: Path, steps: list[Any], **how: Any) -> int:
    execute(make(steps, input=(str(source),)), out, **how)
    return count_rows(out / "kept")


def test_files_of_a_person_survive_runs_resumed_fresh_and_changed(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert filtered(source, out, ["rules", "minhash"]) == 2
    files = put(out)
    for steps, how in ((["rules", "minhash"], {}), (["rules", "minhash"], {"fresh": True}), (["minhash"], {}), (["rules"], {})):
        filtered(source, out, steps, **how)
        assert held(files), (steps, how)
    Review(out).judge(Judgement(next(iter(_ids(out))), "accept"))
    Review(out).write()
    Review(out).write()
    assert held(files)
    (out / "01-rules" / "verdict.parquet").unlink()  # damaged: the step is made again
    assert filtered(source, out, ["rules"]) == 2
    assert held(files)


def _ids(out: Path) -> list[str]:
    from datagen.data.shards import read_all

    return list(read_all(out / "kept", ["id"]).column("id").to_pylist())


def test_files_of_a_person_survive_a_first_run_that_fails(source: Path, tmp_path: Path) -> None:
    for number, (wrong, rows) in enumerate(
        [
            ({"decontaminate": {"against": "missing.jsonl"}}, source),
            ({"rules": {"use": ["empty_answer"]}}, tmp_path / "missing.jsonl"),
            ({"train": {"model": str(tmp_path / "no-model")}}, source),
        ]
    ):
        out = tmp_path / f"out{number}"
        out.mkdir()
        (out / ".datagen").touch()  # an earlier command left it
        files = put(out)
        with pytest.raises(DatagenError):
            filtered(rows, out, [wrong])
        assert held(files)
        assert (out / ".datagen").exists()


def test_a_first_run_that_fails_leaves_a_folder_as_it_was(source: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for out in (tmp_path / "empty", tmp_path / "new"):
        with pytest.raises(DatagenError):
            filtered(tmp_path / "missing.jsonl", out, ["rules"])
    assert list((tmp_path / "empty").iterdir()) == []
    assert not (tmp_path / "new").exists()


def test_the_current_folder_is_not_removed_by_a_command_that_fails(datagen: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / ".datagen").touch()
    (tmp_path / "mine.txt").write_text("mine")
    assert datagen("filter", "../missing.jsonl", "-o", ".").returncode == 3
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_folder_with_a_link_loses_the_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far" / "00000.parquet").write_text("far away")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "rows").symlink_to(tmp_path / "far")
    (tmp_path / "kept" / "00001.parquet").write_text("ours")
    folders.remove(tmp_path / "kept")
    assert (tmp_path / "far" / "00000.parquet").read_text() == "far away"
    assert not (tmp_path / "kept" / "00001.parquet").exists()


def test_a_file_where_a_folder_goes_is_named_and_stays(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    filtered(source, out, ["rules"])
    folders.remove(out / "kept")
    (out / "kept").write_text("mine")
    with pytest.raises(DatagenError, match="kept is a file where a folder is to be written"):
        filtered(source, out, ["rules"])
    assert (out / "kept").read_text() == "mine"
