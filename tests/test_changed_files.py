"""What was hashed is what was read: a file that changes in between stops the run by its name, whatever the file is for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen.engine.local import LocalEngine
from datagen.errors import DataError
from datagen.recipe import make
from datagen.runner import execute
from datagen.work import Run, Silent, side_rows

ROWS = [{"instruction": f"A number: name {i} in words", "output": f"It is written {i}."} for i in range(20)]
TEXT = "The tower was built of stone in the year of the flood, and the town paid for it with salt. " * 12


class Meddling(Silent):
    """Progress during which, when a step begins, somebody else changes a file."""

    def __init__(self, step: str, change: Callable[[], object]) -> None:
        self._step, self._change = step, change

    def step(self, name: str, total: int | None, unit: str) -> None:
        if name == self._step:
            self._change()


class MeddlingWithin(Silent):
    """Progress during which a file is changed when rows were read, and the command does not know yet whether all."""

    def __init__(self, change: Callable[[], object]) -> None:
        self._change = change

    def at(self, done: int, note: str = "", total: int | None = None) -> None:
        if done:
            self._change()


def lines(path: Path, records: list[dict[str, Any]]) -> str:
    path.write_text("".join(f"{json.dumps(r)}\n" for r in records))
    return str(path)


def edit(path: Path) -> Callable[[], object]:
    """Return what replaces a file by one of the same size and the same time of its last change."""

    def change() -> None:
        was = path.stat()
        path.write_bytes(path.read_bytes().replace(b"A", b"B"))
        os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))

    return change


def test_documents(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "one.txt").write_text(TEXT)
    made_of = make([{"passages": {"documents": [str(tmp_path / "docs")]}}])
    for change, words in (
        (edit(tmp_path / "docs" / "one.txt"), "one.txt was changed while it was read"),
        (lambda: (tmp_path / "docs" / "two.txt").write_text(TEXT), "two.txt came or went while its folder was read"),
    ):
        with pytest.raises(DataError, match=words):
            execute(made_of, tmp_path / "out", progress=Meddling("passages", change))
    assert execute(made_of, tmp_path / "out").summary["rows_in"] >= 2


def test_sentence_pairs_and_their_templates(tmp_path: Path) -> None:
    pairs = lines(tmp_path / "pairs.jsonl", [{"en": "A salt", "zh": "盐"}, {"en": "A stone", "zh": "石头"}])
    (tmp_path / "mine.en.jinja").write_text("A sentence, in {{ target }}: {{ text }}")
    options = {"pairs": [pairs], "source": "en", "target": "zh", "templates": [str(tmp_path / "mine.en.jinja")]}
    for name in ("pairs.jsonl", "mine.en.jinja"):
        with pytest.raises(DataError, match=rf"{name} was changed while it was read"):
            execute(make([{"from_pairs": options}]), tmp_path / "out", progress=Meddling("from_pairs", edit(tmp_path / name)))
    assert execute(make([{"from_pairs": options}]), tmp_path / "out").summary["rows_in"] == 4
    assert "from_pairs.templates" in (tmp_path / "out" / "recipe.yaml").read_text()


def test_rows_that_grow_while_they_are_read(tmp_path: Path) -> None:
    rows = lines(tmp_path / "rows.jsonl", ROWS)
    with pytest.raises(DataError, match=r"rows\.jsonl was changed while it was read"):
        execute(make(["rules"], input=(rows,)), tmp_path / "out", progress=MeddlingWithin(edit(Path(rows))))
    (tmp_path / "set").mkdir()
    lines(tmp_path / "set" / "a.jsonl", ROWS)
    with pytest.raises(DataError, match=r"b\.jsonl came or went"):
        execute(
            make(["rules"], input=(str(tmp_path / "set"),)), tmp_path / "out",
            progress=MeddlingWithin(lambda: lines(tmp_path / "set" / "b.jsonl", ROWS)),
        )  # fmt: skip


@pytest.mark.parametrize("kind", ["word list", "benchmark", "rows to compare with"])
def test_the_side_files_of_a_stage(tmp_path: Path, kind: str) -> None:
    rows = lines(tmp_path / "rows.jsonl", ROWS)
    side = tmp_path / "side.jsonl"
    lines(side, [{"instruction": "A question of A benchmark that is long enough to be found in a row", "output": "It."}])
    step: dict[str, Any] = {
        "word list": {"rules": {"use": ["refusal"], "refusals": str(side)}},
        "benchmark": {"decontaminate": {"against": [str(side)]}},
        "rows to compare with": {"minhash": {"against": [str(side)]}},
    }[kind]
    name = next(iter(step))
    with pytest.raises(DataError, match=r"side\.jsonl was changed while it was read"):
        execute(make([step], input=(rows,)), tmp_path / "out", progress=Meddling(name, edit(side)), workers=1)
    assert execute(make([step], input=(rows,)), tmp_path / "out", workers=1).summary["rows_in"] == 20


def test_the_sources_of_a_mixture(tmp_path: Path) -> None:
    made_of = make([{"mix": {"sources": {"mine": lines(tmp_path / "rows.jsonl", ROWS)}}}])
    with pytest.raises(DataError, match=r"rows\.jsonl was changed while it was read"):
        execute(made_of, tmp_path / "out", progress=Meddling("mix", edit(tmp_path / "rows.jsonl")))


@pytest.mark.parametrize("role", ["seeds", "topics", "eval", "prompts"])
def test_whatever_a_step_hashes_is_looked_at_again(tmp_path: Path, role: str) -> None:
    side = tmp_path / "side.jsonl"
    lines(side, ROWS)
    with LocalEngine(1) as engine:
        run = Run(make(["rules"], input=(str(side),)), tmp_path, Silent(), engine)
        run.digest(f"step.{role}", [str(side)])
        side_rows(role, str(side))
        run.check_unchanged(f"step.{role}")
        edit(side)()
        with pytest.raises(DataError, match=r"side\.jsonl was changed while it was read"):
            run.check_unchanged(f"step.{role}")
        side.unlink()
        with pytest.raises(DataError, match=r"side\.jsonl was changed while it was read"):
            run.check_unchanged(f"step.{role}")
