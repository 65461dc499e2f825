"""Seed tasks written as models write them come back exactly equal, in every language."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from datagen import assets
from datagen.answers.tasks import Item, items, tasks

Row = dict[str, str]
STYLES: dict[str, Callable[[int, str, str], str]] = {
    "numbers": lambda n, name, text: f"{n}. {name}: {text}",
    "bold": lambda n, name, text: f"**{name}:** {text}",
    "bold numbers": lambda n, name, text: f"{n}. **{name}**: {text}",
    "Markdown": lambda n, name, text: f"### {name}:\n{text}\n",
    "bullets": lambda n, name, text: f"- {name}: {text}",
    "plain": lambda n, name, text: f"{name}: {text}",
}


def seeds(language: str) -> list[Row]:
    """The seed tasks of a language, without white space around their texts."""
    rows = [json.loads(line) for line in assets.seed_file(language).read_text("utf-8").splitlines()]
    return [{k: str(row[k]).strip() for k in ("instruction", "input", "output")} for row in rows]


@pytest.mark.parametrize("separator", ["\n###\n", "\n\n", "\n\n---\n\n"])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("language", ["en", "zh", "th"])
def test_headed_tasks(language: str, style: str, separator: str) -> None:
    rows = seeds(language)
    wanted = [Item(r["instruction"], r["input"], r["output"]) for r in rows]
    blocks = [
        "\n".join(STYLES[style](n, name.capitalize(), text or "<noinput>") for name, text in row.items())
        for n, row in enumerate(rows, 4)
    ]
    assert items(separator.join(blocks), cut=False) == wanted
    assert items(separator.join(blocks), cut=True)[:-1] == wanted[:-1]


@pytest.mark.parametrize("language", ["en", "zh", "th"])
def test_json(language: str) -> None:
    rows = seeds(language)
    wanted = [Item(r["instruction"], r["input"], r["output"]) for r in rows]
    for text in (json.dumps(rows, ensure_ascii=False, indent=2), "\n".join(map(json.dumps, rows))):
        assert items(text, cut=False) == wanted
        found = items(text[: len(text) * 2 // 3], cut=True)
        assert found[:-1] == wanted[: len(found) - 1]


@pytest.mark.parametrize("language", ["en", "zh", "th"])
def test_a_list_of_tasks(language: str) -> None:
    wanted = [row["instruction"] for row in seeds(language)]
    text = "\n".join(f"{n}. {task}" for n, task in enumerate(wanted, 9))
    assert [i.instruction for i in tasks(text, cut=False, first=9)] == wanted
    assert [i.instruction for i in tasks(text.removeprefix("9."), cut=False, first=9)] == wanted
