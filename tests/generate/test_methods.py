"""Each method against a real endpoint: what it asks, in which order, and what becomes of every piece of the answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from local_endpoint import LocalEndpoint

from datagen.answers.tasks import Item
from datagen.chat.journal import Tokens
from datagen.data.rows import Row
from datagen.data.shards import iterate_rows, read_json
from datagen.errors import ModelError, UsageError
from datagen.generate import turns
from datagen.generate.draft import Spent
from datagen.generate.rules import Refusal
from datagen.generate.self_instruct import _filtered
from datagen.recipe import make
from datagen.runner import execute
from datagen.text.tokens import words_in


@pytest.fixture(autouse=True)
def _no_endpoint_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


def made(out: Path, server: LocalEndpoint, kind: str = "self_instruct", **options: Any) -> tuple[list[Row], list[Row]]:
    settings = {"n": 10, "model": "local", "base_url": server.base_url, "concurrency": 4, **options}
    execute(make([{kind: settings}]), out)
    return list(iterate_rows(out / "kept")), list(iterate_rows(out / "dropped"))


def said(body: dict[str, Any]) -> str:
    return str(body["messages"][-1]["content"])


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "zh", "th"])
def test_original_asks_for_tasks_then_their_kind_then_their_instances(
    tmp_path: Path, endpoint: LocalEndpoint, language: str
) -> None:
    kept, dropped = made(tmp_path / "out", endpoint, method="original", language=language)
    assert len(kept) == 10
    assert {r["language"] for r in kept} == {language}
    assert all(r["instruction"] and r["output"] for r in kept)
    temperatures = [b.get("temperature") for b in endpoint.bodies]
    assert set(temperatures) == {0.9, 0.0, 0.3}, "tasks are drawn, questions about them are not"
    summary = read_json(tmp_path / "out" / "run.json")
    assert summary["rows_in"] == len(kept) + len(dropped)


def test_original_shows_two_tasks_of_the_run_beside_six_of_the_seeds(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    kept, _ = made(tmp_path / "out", endpoint, method="original", n=40, window=2)
    own = {r["id"] for r in kept}
    shown = [len(own & set(r["parents"])) for r in kept]
    assert {len(r["parents"]) for r in kept} == {8}
    assert shown[0] == 0 and shown[-1] == 2


def test_a_task_of_a_list_that_repeats_costs_no_further_request(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    _, dropped = made(tmp_path / "out", endpoint, method="original", n=40, window=2)
    early = [r for r in dropped if r["reason"] == "too_similar" and not r["output"]]
    assert early, "a repeated task was seen before its instances were asked for"
    assert all(r["witness_id"] for r in early)


def test_the_instance_filters_of_self_instruct_each_say_their_name() -> None:
    """`prepare_for_finetuning.py`: equal, empty, ending in a colon, conflicting, repeated, more than five."""

    def instance(input: str, output: str, reason: str | None = None) -> Item:  # noqa: A002
        return Item("Do it.", input, output, reason)

    found = [
        instance("a", "a"), instance("b", ""), instance("c", "It is:"), instance("d:", "x"), instance("e", "1"),
        instance("e", "2"),
        instance("f", "y"), instance("f", "y"), instance("g", "z", "cut_off"), instance("", "free"), instance("", "other"),
        instance("h", "y"), instance("i", "y"), instance("j", "y"),
    ]  # fmt: skip
    assert [i.reason for i in _filtered(found, 5)] == [
        "output_repeats_input", "empty_answer", "ends_with_colon", "ends_with_colon", "conflicting_answers",
        "conflicting_answers", None, "duplicate_instance", "cut_off", None, None, None, None, "too_many_instances",
    ]  # fmt: skip


def test_upper_case_stays_upper_case(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    """Self-Instruct's `.capitalize()` makes "Write a SQL query for NASA" to "Write a sql query for nasa"."""
    kept, _ = made(tmp_path / "out", endpoint, method="original")
    texts = "".join(b["messages"][-1]["content"] for b in endpoint.bodies)
    assert all(r["instruction"] in texts for r in kept)


@pytest.mark.parametrize("language", ["en", "zh", "th"])
def test_one_asks_for_a_task_and_then_for_its_answer(tmp_path: Path, endpoint: LocalEndpoint, language: str) -> None:
    kept, _ = made(tmp_path / "out", endpoint, method="one", language=language)
    assert len(kept) == 10
    answers = [b for b in endpoint.bodies if b["messages"][0]["role"] == "system"]
    asked = {said(b) for b in answers}
    assert {f"{r['instruction']}\n\n{r['input']}".strip() for r in kept} <= asked
    assert {b["temperature"] for b in answers} == {0.3}


def test_one_buys_no_answer_to_a_repeated_task(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    kept, dropped = made(tmp_path / "out", endpoint, method="one", n=40, window=2)
    early = [r for r in dropped if r["reason"] == "too_similar" and not r["output"]]
    assert early
    answers = sum(b["messages"][0]["role"] == "system" for b in endpoint.bodies)
    assert answers <= len(kept) + len(dropped) - len(early) + 2, "two were in flight at the end"


def test_magpie_sends_the_bare_user_turn_and_answers_what_comes(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    kept, _ = made(tmp_path / "out", endpoint, "magpie", template="llama3", stop=["\n\n"], n=10)
    raw = [b for b, path in zip(endpoint.bodies, endpoint.paths, strict=True) if path == "/v1/completions"]
    assert {b["prompt"] for b in raw} == {"<|start_header_id|>user<|end_header_id|>\n\n"}
    assert raw[0]["stop"] == ["<|eot_id|>", "\n\n"]
    assert len(kept) == 10
    assert {r["source"] for r in kept} == {"magpie:local"}


def test_magpie_sets_language_and_topic_by_a_system_message(tmp_path: Path, endpoint: LocalEndpoint, write_jsonl: Any) -> None:
    write_jsonl("topics.txt", "烹饪")
    kept, _ = made(
        tmp_path / "out", endpoint, "magpie", template="chatml", language="zh", n=5, topics=str(tmp_path / "topics.txt")
    )
    raw = [b for b, path in zip(endpoint.bodies, endpoint.paths, strict=True) if path == "/v1/completions"]
    assert raw[0]["prompt"].startswith("<|im_start|>system\n") and raw[0]["prompt"].endswith("<|im_start|>user\n")
    assert "烹饪" in raw[0]["prompt"]
    assert {tuple(r["tags"]) for r in kept} == {("烹饪",)}


def test_magpie_without_a_known_template_names_them(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    with pytest.raises(UsageError, match="give --template, one of chatml, llama3"):
        made(tmp_path / "out", endpoint, "magpie")


def test_every_family_of_templates_marks_where_the_user_begins_and_ends() -> None:
    for family in turns.FAMILIES:
        bare = turns.turn_of_family(family, None)
        assert bare.head and bare.stop
    assert "Be brief." in turns.turn_of_family("llama3", "Be brief.").head
    with pytest.raises(UsageError, match="did you mean 'llama3'"):
        turns.turn_of_family("lama3", None)
    with pytest.raises(UsageError, match="no system message"):
        turns.turn_of_family("gemma", "Be brief.")
    assert turns.family_of("Qwen/Qwen2.5-7B-Instruct") == "chatml"
    assert turns.family_of("meta-llama/Llama-3.1-8B-Instruct") == "llama3"
    assert turns.family_of("my-model") is None


def test_a_folder_without_a_chat_template_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"chat_template\.jinja"):
        turns.turn_of_model(tmp_path, None)


def test_a_model_that_divides_topics_is_asked_first(tmp_path: Path, endpoint: LocalEndpoint, write_jsonl: Any) -> None:
    write_jsonl("topics.txt", "cooking", "law / contracts")
    kept, _ = made(tmp_path / "out", endpoint, topics=str(tmp_path / "topics.txt"), subtopics=3, n=30)
    assert "cooking" in said(endpoint.bodies[0])
    assert [b["max_tokens"] for b in endpoint.bodies].count(1024) == 1, "a topic with a sub-topic is not divided"
    tags = {r["tags"][0] for r in kept}
    assert "law / contracts" in tags
    assert len(tags) > 1


@pytest.mark.parametrize(
    ("rule", "text", "reason"),
    [
        ("length", "Tell a joke", "rule_length"),
        ("length", "Tell a short joke", None),
        ("length", "讲个笑话吧", "rule_length"),
        ("length", "请给我讲一个关于猫的笑话", None),
        ("length", "word " * 151, "rule_length"),
        ("punctuation", "- Write about your day", "rule_punctuation"),
        ("keywords", "Draw a map of the town", "rule_keywords"),
        ("keywords", "Describe the drawbridge of the castle", None),
        ("program", "Write a program that sorts numbers", "rule_program"),
        ("ascii", "Écris un poème sur la mer", "rule_ascii"),
    ],
)
def test_the_item_rules_of_alpaca(rule: str, text: str, reason: str | None) -> None:
    language = "zh" if words_in(text) != len(text.split()) and not text.isascii() and rule == "length" else "en"
    found = Refusal(language, (rule,)).of_task(text)
    assert (found and found[0]) == reason


def test_no_rule_keeps_what_alpaca_throws_away_by_mistake() -> None:
    """Alpaca's rules also drop `“Quote”…` and, by its tokeniser, see no word in Chinese or Thai."""
    for language, text in (
        ("en", "“To be or not to be”: who says it?"),
        ("zh", "请解释这句话的意思"),
        ("th", "ช่วยอธิบายประโยคนี้ให้หน่อย"),
    ):
        assert Refusal(language, ("length", "punctuation")).of_task(text) is None


@pytest.mark.parametrize("text", ["???", "😀", " . "])
def test_a_task_without_a_word_is_empty(text: str) -> None:
    assert Refusal("en").of_task(text) == ("empty_task", None)


def test_another_language_is_named() -> None:
    assert Refusal("en").of_task("请把下面的句子改写成一首关于秋天的诗歌") == ("wrong_language", "zh")
    assert Refusal("th").of_task("Please rewrite the following sentence as a poem") == ("wrong_language", "en")


@pytest.mark.parametrize("by", [1, 2, 3, 7])
def test_shares_of_a_cost_add_up_to_it(by: int) -> None:
    whole = Spent(Tokens(100, 53), 11)
    total = Spent()
    for share in whole.shared(by):
        total += share
    assert total == whole


def test_what_a_model_thinks_is_kept_apart_from_its_answer(tmp_path: Path) -> None:
    with LocalEndpoint(always="reasoning") as server:
        kept, _ = made(tmp_path / "out", server, method="one", n=5)
    assert all(json.loads(r["extra"])["reasoning"] for r in kept)
    assert all(r["generation"]["reasoning_tokens"] for r in kept)
    assert not any("<think>" in r["output"] for r in kept)
