"""Prompts, seed tasks and recipes are found in a checkout; what is not there is named with what is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from jinja2 import meta
from jinja2.sandbox import SandboxedEnvironment

from datagen import assets
from datagen.errors import UsageError
from datagen.recipe import load

LANGUAGES = ["en", "th", "zh"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_its_prompt_and_its_seed_tasks(language: str) -> None:
    assert "Instruction" in assets.prompt("self_instruct", language)
    assert assets.seed_file(language).name == f"{language}.jsonl"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_prompt_asks_for_nothing_but_the_examples_and_the_count(language: str) -> None:
    environment = SandboxedEnvironment(trim_blocks=True)
    source = assets.prompt("self_instruct", language)
    assert meta.find_undeclared_variables(environment.parse(source)) == {"examples", "count"}
    shown = [{"instruction": "Sort.", "input": "b a", "output": "a b"}, {"instruction": "Say hi.", "input": "", "output": "hi"}]
    text = environment.from_string(source).render(examples=shown, count=5)
    assert (
        "###\n1. Instruction: Sort.\n1. Input: b a\n1. Output: a b\n###\n2. Instruction: Say hi.\n2. Input: <noinput>\n" in text
    )
    last = text.rstrip().splitlines()[-1]
    assert "3" in last and "7" in last


def test_a_language_that_is_not_there_is_named_with_those_that_are() -> None:
    with pytest.raises(UsageError, match=r"no prompt 'self_instruct' in 'xx'; known: en, th, zh"):
        assets.prompt("self_instruct", "xx")
    with pytest.raises(UsageError, match=r"no seed tasks in 'xx'; known: en, th, zh; give --seeds PATH"):
        assets.seed_file("xx")


@pytest.mark.parametrize("path", sorted((Path(assets.__file__).parent / "recipes").glob("*.yaml")), ids=lambda p: p.name)
def test_every_recipe_that_comes_with_datagen_is_right(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert assets.recipe(path.stem) == path
    assert yaml.safe_load(path.read_text("utf-8"))["steps"]
    monkeypatch.chdir(Path(assets.__file__).parents[1])
    assert load(path).steps
