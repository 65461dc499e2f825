"""The seed tasks: enough of them, all different, a sixth of them classification, and readable as any other rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from datagen import assets
from datagen.formats.read import read
from datagen.similarity.rouge_pool import RougePool
from datagen.text.tokens import tokens

FEWEST = {"en": 175, "zh": 60, "th": 60}
FIELDS = ["id", "instruction", "input", "output", "is_classification", "topic", "language"]
SCRIPT = {"zh": ("\u4e00", "\u9fff"), "th": ("\u0e01", "\u0e5b")}


@pytest.fixture(params=sorted(FEWEST))
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tasks(language: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in assets.seed_file(language).read_text("utf-8").splitlines()]


def test_there_are_enough(tasks: list[dict[str, Any]], language: str) -> None:
    assert len(tasks) >= FEWEST[language]


def test_every_task_has_its_fields(tasks: list[dict[str, Any]], language: str) -> None:
    for task in tasks:
        assert list(task) == FIELDS
        assert task["language"] == language
        assert isinstance(task["is_classification"], bool)
        for name in ("id", "instruction", "output", "topic"):
            assert task[name] == task[name].strip() != "", task["id"]
        assert task["input"] == task["input"].strip()


def test_ids_are_unique_and_say_the_language(tasks: list[dict[str, Any]], language: str) -> None:
    assert len({t["id"] for t in tasks}) == len(tasks)
    assert all(t["id"].startswith(f"{language}-") for t in tasks)


def test_about_a_sixth_is_classification_with_a_label_that_the_task_names(tasks: list[dict[str, Any]]) -> None:
    labelled = [t for t in tasks if t["is_classification"]]
    assert 0.12 <= len(labelled) / len(tasks) <= 0.22
    nameless = [t["id"] for t in labelled if t["output"].rstrip(".。").casefold() not in t["instruction"].casefold()]
    assert nameless == []


def test_no_two_instructions_of_a_language_are_alike(tasks: list[dict[str, Any]]) -> None:
    pool = RougePool(0.7)
    alike = []
    for task in tasks:
        words = tokens(task["instruction"])
        if hit := pool.nearest(words):
            alike.append((tasks[hit[0]]["id"], task["id"], hit[1]))
        pool.add(words)
    assert alike == []


def test_tasks_are_written_in_their_language(tasks: list[dict[str, Any]], language: str) -> None:
    for task in tasks if language in SCRIPT else []:
        low, high = SCRIPT[language]
        assert any(low <= c <= high for c in task["instruction"]), task["id"]


def test_every_task_is_read_as_a_row(tasks: list[dict[str, Any]], language: str) -> None:
    rows = list(read(str(assets.seed_file(language))))
    assert [r for r in rows if "reason" in r] == []
    assert [(r["instruction"], r["input"], r["output"]) for r in rows] == [
        (t["instruction"], t["input"], t["output"]) for t in tasks
    ]
    assert len({r["id"] for r in rows}) == len(tasks)
    assert {r["language"] for r in rows} == {language}
