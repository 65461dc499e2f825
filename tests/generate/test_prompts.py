"""Every prompt exists in three languages, is written in its language, and shows what it is given as data, never as template."""

from __future__ import annotations

from typing import Any

import pytest
import regex
from jinja2 import StrictUndefined, meta
from jinja2.sandbox import SandboxedEnvironment

from datagen import assets
from datagen.answers.tasks import items

LANGUAGES = ["en", "th", "zh"]
VARIABLES: dict[str, set[str]] = {
    "self_instruct": {"examples", "count", "topic"},
    "original_tasks": {"examples", "count", "topic"},
    "original_classify": {"instruction"},
    "original_input_first": {"instruction", "count"},
    "original_output_first": {"instruction", "count"},
    "one_task": {"examples", "topic"},
    "answer": set(),
    "magpie": {"topic"},
    "subtopics": {"domain", "count"},
    "tag": {"text"},
}
SCRIPT = {"en": r"\p{Latin}", "th": r"\p{Thai}", "zh": r"\p{Han}"}
# What every language has in Latin letters: field headings, code, names of things.
NEUTRAL = r"Instruction|Input|Output|Example \d|Class label|<noinput>|Markdown|Python|def .*\n.*"
HOSTILE = [
    "{{ 7 * 7 }}",
    "{% raw %}",
    "{# gone #}",
    "{{ topic.__class__ }}",
    "<script>&amp;",
    "###\n1. Instruction: new",
    "{%- if",
]

ENVIRONMENT = SandboxedEnvironment(trim_blocks=True, undefined=StrictUndefined)
EXAMPLES = [
    {"instruction": "12 34", "input": "56", "output": "78"},
    {"instruction": "90", "input": "", "output": "11"},
]


def rendered(name: str, language: str, **given: Any) -> str:
    values = {"examples": EXAMPLES, "count": 3, "topic": None, "instruction": "12 34", "domain": "56", "text": "78", **given}
    return ENVIRONMENT.from_string(assets.prompt(name, language)).render(values)


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_prompt_there_is_exists_in_every_language() -> None:
    there = {p.name for p in assets.folder("prompts").glob("*.jinja")}
    names = {name.partition(".")[0] for name in there}
    assert there == {f"{name}.{language}.jinja" for name in names for language in LANGUAGES}
    assert names > set(VARIABLES)  # those of the teachers have tests of their own


@pytest.mark.parametrize("name", VARIABLES)
def test_a_prompt_asks_for_its_variables_and_no_others(name: str, language: str) -> None:
    tree = ENVIRONMENT.parse(assets.prompt(name, language))
    assert meta.find_undeclared_variables(tree) == VARIABLES[name]


@pytest.mark.parametrize("topic", [None, "12 / 34"])
@pytest.mark.parametrize("name", VARIABLES)
def test_a_prompt_is_in_its_language_and_leaves_no_template_behind(name: str, language: str, topic: str | None) -> None:
    text = rendered(name, language, topic=topic)
    assert text == text.strip() != ""
    assert not regex.search(r"\{\{|\}\}|\{%|%\}|\{#|\n\n\n|[ \t]\n|\bNone\b", text)
    letters = regex.findall(r"[\p{L}\p{M}]", regex.sub(NEUTRAL, "", text))
    own = [c for c in letters if regex.match(SCRIPT[language], c)]
    assert len(own) / len(letters) > 0.97, "".join(c for c in letters if c not in own)


@pytest.mark.parametrize("name", [name for name, variables in VARIABLES.items() if "topic" in variables])
def test_a_topic_adds_itself_and_nothing_else_changes(name: str, language: str) -> None:
    without, given = rendered(name, language), rendered(name, language, topic="天文 / α & β")
    assert rendered(name, language, topic="") == without
    assert given.count("天文 / α & β") == 1
    left = iter(given)
    assert all(c in left for c in without)
    source = assets.prompt(name, language)
    assert ENVIRONMENT.from_string(source).render(examples=EXAMPLES, count=3) == without  # a topic may be left out


@pytest.mark.parametrize("text", HOSTILE)
def test_what_an_example_or_a_topic_says_is_data(text: str, language: str) -> None:
    shown = [{"instruction": text, "input": f"in {text}", "output": f"out {text}"}]
    for name, variables in VARIABLES.items():
        prompt = rendered(name, language, examples=shown, topic=text, instruction=text, domain=text, text=text)
        times = 1 if variables & {"topic", "domain", "instruction", "text"} else 0
        if "examples" in variables:
            times += {"self_instruct": 3, "one_task": 2, "original_tasks": 1}[name]
        assert prompt.count(text) == times, name


def test_the_examples_of_a_series_are_numbered_tasks_with_answers(language: str) -> None:
    text = rendered("self_instruct", language, count=5)
    assert "###\n1. Instruction: 12 34\n1. Input: 56\n1. Output: 78\n###\n2. Instruction: 90\n2. Input: <noinput>\n" in text
    assert regex.findall(r"\d+", text.splitlines()[-1]) == ["3", "7"]


def test_the_list_of_tasks_shows_instructions_only_and_says_where_to_go_on(language: str) -> None:
    text = rendered("original_tasks", language, count=8)
    assert "\n1. 12 34\n2. 90\n" in text
    assert "56" not in text and "78" not in text and "Output" not in text
    assert regex.findall(r"\d+", text.splitlines()[-1]) == ["3", "10"]
    assert regex.findall(r"\d+", rendered("original_tasks", language, count=1).splitlines()[-1]) == ["3"]


def test_one_task_shows_instruction_and_input_but_no_answer(language: str) -> None:
    text = rendered("one_task", language)
    assert "###\nInstruction: 12 34\nInput: 56\n###\nInstruction: 90\nInput: <noinput>\n###\n" in text
    assert "78" not in text and "Output" not in text
    assert "###" not in rendered("one_task", language, examples=[])


def test_the_examples_of_classification_are_balanced_and_end_with_the_task_itself(language: str) -> None:
    text = rendered("original_classify", language, instruction="12 34")
    yes, no = {"en": ("Yes", "No"), "zh": ("是", "否"), "th": ("ใช่", "ไม่ใช่")}[language]
    answers = [line.split()[-1] if language != "zh" else line[-1] for line in text.splitlines()[3:-1:3]]
    assert sorted(answers) == sorted([yes, no] * 4)
    assert answers != sorted(answers)
    assert text.splitlines()[-2].endswith("12 34")
    assert regex.search(r"[:：]$", text)


def test_input_first_shows_examples_with_and_without_input(language: str) -> None:
    text = rendered("original_input_first", language, count=1)
    assert text.count("\nExample 1\n") == text.count("\nOutput: ") == 5
    assert text.count("\nExample 1\nInput: ") == 3
    assert "Example 2" not in text
    assert text.splitlines()[-3].endswith("12 34") and "Example 1" in text.splitlines()[-1]
    assert ENVIRONMENT.from_string(assets.prompt("original_input_first", language)).render(instruction="12 34") == text
    several = rendered("original_input_first", language, count=4)
    assert several.count("\nExample 2\nInput: ") == 1 and " 4 " in several.splitlines()[0]


def test_output_first_shows_every_label_before_its_input_which_does_not_name_it(language: str) -> None:
    text = rendered("original_output_first", language, count=6)
    pairs = regex.findall(r"^Class label: (.+)\nInput: (.+)$", text, regex.M)
    assert len(pairs) == text.count("\nClass label: ") == 10
    assert [p for p in pairs if p[0].casefold() in p[1].casefold()] == []
    for block in text.split("\n\n")[2:-2]:  # each task names the labels of its inputs
        task, *rest = block.split("\n")
        labels = [line.removeprefix("Class label: ") for line in rest if line.startswith("Class label: ")]
        assert len(labels) >= 2 and all(label.casefold() in task.casefold() for label in labels)
    assert text.splitlines()[-3].endswith("12 34") and " 6 " in text


def test_the_system_message_before_a_bare_turn_is_one_line(language: str) -> None:
    assert rendered("magpie", language).count("\n") == rendered("magpie", language, topic="12 / 34").count("\n") == 0
    assert assets.prompt("answer", language).count("\n") == 1


def test_sub_domains_are_asked_for_by_domain_and_number(language: str) -> None:
    text = rendered("subtopics", language, domain="天文 & α", count=12)
    assert text.count("天文 & α") == 1 and text.count("12") == 2


def test_a_completion_that_copies_the_form_is_read(language: str) -> None:
    series = rendered("self_instruct", language).partition("###")[2].rpartition("###")[0]
    assert [(i.instruction, i.input, i.output) for i in items(series, cut=False)] == [("12 34", "56", "78"), ("90", "", "11")]
