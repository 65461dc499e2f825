"""Prompts, seed tasks, topics and recipes are found in a checkout; what is not there is named with what is."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from datagen import assets
from datagen.errors import UsageError
from datagen.recipe import load

LANGUAGES = ["en", "th", "zh"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_its_prompt_its_seed_tasks_and_its_topics(language: str) -> None:
    assert "Instruction" in assets.prompt("self_instruct", language)
    assert assets.seed_file(language).name == f"{language}.jsonl"
    assert assets.topics_file(language).name == f"topics.{language}.yaml"


def test_what_is_not_there_is_named_with_what_is() -> None:
    with pytest.raises(UsageError, match=r"^there is no prompt 'self_instruct' in 'xx'; known: en, th, zh$"):
        assets.prompt("self_instruct", "xx")
    with pytest.raises(UsageError, match=r"^there is no prompt 'self_instrukt'; did you mean 'self_instruct'\?$"):
        assets.prompt("self_instrukt", "en")
    with pytest.raises(UsageError, match=r"^there are no seed tasks in 'xx'; known: en, th, zh; give --seeds PATH$"):
        assets.seed_file("xx")
    with pytest.raises(UsageError, match=r"^there are no topics in 'xx'; known: en, th, zh; give a file of topics$"):
        assets.topics_file("xx")


@pytest.mark.parametrize("language", ["", "*", "e\nn", "../prompts/answer.en", "/etc/passwd", "en\0"])
def test_a_language_that_is_no_language_reads_no_other_file_and_is_refused_in_one_line(language: str) -> None:
    for find in (
        assets.seed_file,
        assets.topics_file,
        lambda name: assets.prompt("answer", name),
        lambda n: assets.prompt(n, "en"),
    ):
        with pytest.raises(UsageError) as caught:
            find(language)
        assert str(caught.value).splitlines() == [str(caught.value)]


@pytest.mark.parametrize("name", ["seed_tasks/topics.en.yaml", "seed_tasks/zh.jsonl"])
def test_a_path_in_seed_tasks_leads_to_what_comes_with_datagen(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Path(assets.shipped(name)) == assets.folder("seed_tasks") / Path(name).name
    assert assets.shipped("seed_tasks/other") == "seed_tasks/other"


@pytest.mark.parametrize("path", sorted((Path(assets.__file__).parent / "recipes").glob("*.yaml")), ids=lambda p: p.name)
def test_every_recipe_that_comes_with_datagen_is_right(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert assets.recipe(path.stem) == path
    assert yaml.safe_load(path.read_text("utf-8"))["steps"]
    monkeypatch.chdir(Path(assets.__file__).parents[1])
    assert load(path).steps
