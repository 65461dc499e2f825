"""`backtranslate`: documents to rows, scored, tagged, mixed with rows by people."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from capable_endpoint import ModelServer

from datagen.answers.instruction import instruction_of
from datagen.backtranslation import steps
from datagen.data.rows import Row
from datagen.data.shards import read_all
from datagen.errors import UsageError
from datagen.recipe import make
from datagen.report.explain import fates
from datagen.runner import Result, estimate, execute

GARDEN = "A garden needs water every morning, because the sun dries the soil long before noon comes. " * 3
TEA = "Tea is made from the leaves of a shrub that grows on the hills of many warm countries of Asia. " * 3
ADVERT = "Buy our cheap tyres today and save money, because our shop has the lowest prices of the town. " * 3


def says(prompt: str) -> str:
    """Write instructions, and score what is an advertisement 2 and everything else 5."""
    if "Score: N" in prompt:
        return "It promotes something.\nScore: 2" if "tyres" in prompt else "Fine.\nScore: 5"
    return (
        "Instruction: Why does a garden need water in the morning?"
        if "soil" in prompt
        else "Explain where the leaves come from."
    )


def run_of(tmp_path: Path, server: ModelServer, **given: Any) -> tuple[list[Row], list[Row], Result]:
    documents = tmp_path / "pages"
    documents.mkdir(exist_ok=True)
    (documents / "garden.md").write_text(f"# Gardens\n\n{GARDEN}\n")
    (documents / "tea.txt").write_text(f"{TEA}\nHome | Shop | Contact us | Imprint\n")
    (documents / "advert.html").write_text(f"<nav>Menu</nav><p>{ADVERT}</p>")
    options = {"model": "tiny-chat", "base_url": server.base_url, **given}
    result = execute(make(steps((str(documents),), options)), tmp_path / "out")
    return read_all(result.folder / "kept").to_pylist(), read_all(result.folder / "dropped").to_pylist(), result


def test_documents_become_scored_rows_that_know_their_place(tmp_path: Path, saying: Any) -> None:
    with saying(says) as server:
        kept, dropped, result = run_of(tmp_path, server)
    rows = {json.loads(r["extra"])["document"]: r for r in kept}
    assert set(rows) == {"garden.md", "tea.txt"}
    garden = rows["garden.md"]
    assert (garden["instruction"], garden["output"]) == ("Why does a garden need water in the morning?", GARDEN.strip())
    text = (tmp_path / "pages" / "garden.md").read_text()
    start, end = json.loads(garden["extra"])["span"]
    assert GARDEN.strip() in text[start:end] and garden["parents"] == ["garden.md"]
    assert (garden["source"], garden["language"], garden["judge_score"]) == ("backtranslated", "en", 5.0)
    assert Counter(r["reason"] for r in dropped) == {"boilerplate": 2, "low_score": 1}
    low = next(r for r in dropped if r["reason"] == "low_score")
    assert (low["score"], low["threshold"], low["evidence"]) == (2.0, 4.0, "It promotes something.\nScore: 2")
    assert result.summary["rows_in"] == result.summary["rows_kept"] + result.summary["rows_dropped"] == 5
    assert "Gardens" in server.bodies[0]["messages"][0]["content"] or "Gardens" in str(server.bodies)


def test_rows_by_people_are_mixed_in_each_with_its_own_line(
    tmp_path: Path, saying: Any, write_jsonl: Callable[..., Path]
) -> None:
    seeds = write_jsonl("seeds.jsonl", {"instruction": "Name a river.", "output": "The Mekong."})
    with saying(says) as server:
        kept, _, _ = run_of(tmp_path, server, seed_rows=str(seeds))
        plain, _, _ = run_of(tmp_path, server, seed_rows=str(seeds), no_tags=True)
    assert {(r["source"], r["system"]) for r in kept} == {
        ("seed_rows", "Answer in the style of an AI Assistant."), ("backtranslated", "Answer with knowledge from web search."),
    }  # fmt: skip
    assert {(r["source"], r["system"]) for r in plain} == {("seed_rows", ""), ("backtranslated", "")}
    assert len(kept) == len(plain) == 3
    assert {(r["source"], r["judge_score"]) for r in kept} == {("seed_rows", None), ("backtranslated", 5.0)}


def test_a_row_is_followed_from_its_passage_to_the_mixture(
    tmp_path: Path, saying: Any, write_jsonl: Callable[..., Path]
) -> None:
    seeds = write_jsonl("seeds.jsonl", {"instruction": "Name a river.", "output": "The Mekong."})
    with saying(says) as server:
        kept, _, result = run_of(tmp_path, server, seed_rows=str(seeds))
    row = next(r for r in kept if r["source"] == "backtranslated")
    moved = {m["new_id"]: m for m in read_all(result.folder / "rewritten").to_pylist()}
    before = moved[row["id"]]
    assert (before["stage"], moved[before["old_id"]]["stage"]) == ("mix", "backtranslate")
    [found] = fates(result.folder, moved[before["old_id"]]["old_id"][:12])
    assert (found["id"], found["system"]) == (row["id"], "Answer with knowledge from web search.")


def test_the_terminal_says_where_a_row_is_from_and_how_to_decide_again(tmp_path: Path, saying: Any, datagen: Any) -> None:
    with saying(says) as server:
        kept, _, _ = run_of(tmp_path, server)
    tea = next(r for r in kept if "leaves" in r["output"])
    assert (
        f"from tea.txt, characters 0 to {json.loads(tea['extra'])['span'][1]}\n" in datagen("explain", "out", tea["id"]).stdout
    )
    own = {"instruction": "Ask.", "output": "Said.", "document": "mine", "span": ["a", None]}
    (tmp_path / "own.jsonl").write_text(json.dumps(own))
    assert datagen("filter", "own.jsonl", "-o", "own", "--stage", "rules").returncode == 0
    [row] = read_all(tmp_path / "own" / "kept").to_pylist()
    assert "characters" not in (told := datagen("explain", "own", row["id"])).stdout and told.returncode == 0
    again = datagen("filter", "-o", "out", "--set", "judge.min_score=3")
    assert again.returncode == 2 and "give the command that made them with the new value" in again.stderr


def test_an_instruction_that_cannot_be_used_is_dropped_with_the_reason(tmp_path: Path, saying: Any) -> None:
    def wrong(prompt: str) -> str:
        if "soil" in prompt:
            return "A garden needs water every morning, because the sun dries the soil long before noon?"
        return "这些茶叶来自哪些国家的山坡？请详细说明。" if "leaves" in prompt else "..."

    with saying(wrong) as server:
        kept, dropped, _ = run_of(tmp_path, server)
    assert not kept
    assert Counter(r["reason"] for r in dropped) == {"copies_text": 1, "wrong_language": 1, "empty_task": 1, "boilerplate": 2}


def test_rewrite_says_the_passage_as_an_assistant_would_and_adds_no_number(tmp_path: Path, saying: Any) -> None:
    def model(prompt: str) -> str:
        if "Say it as an assistant" in prompt:
            return "Water it in the morning." if "soil" in prompt else "Tea has 300 kinds."
        return says(prompt)

    with saying(model) as server:
        kept, dropped, _ = run_of(tmp_path, server, rewrite=True)
    assert [r["output"] for r in kept] == ["Water it in the morning."]
    assert kept[0]["judge_score"] is None, "it was the score of another answer"
    assert json.loads(kept[0]["extra"])["reference"] == GARDEN.strip()
    [lost] = [r for r in dropped if r["reason"] == "not_grounded"]
    assert lost["evidence"].startswith("new numbers 300")


def test_a_name_of_many_characters_is_no_copy_in_scripts_without_spaces() -> None:
    from datagen.teaching.backtranslate import COPIED, longest_shared_run
    from datagen.text.tokens import words_in

    def shared(task: str, text: str) -> float:
        return words_in(" ".join(longest_shared_run(task, text)))

    assert shared("เล่าประวัติมหาวิทยาลัยธรรมศาสตร์", "มหาวิทยาลัยธรรมศาสตร์ก่อตั้งเมื่อปี 2477") < COPIED
    assert shared("中华人民共和国全国人民代表大会是什么？", "中华人民共和国全国人民代表大会每年开会。") < COPIED
    assert (
        shared(
            "茶叶来自亚洲许多温暖国家的山坡，那里的农民在春天采摘嫩叶。",
            "茶叶来自亚洲许多温暖国家的山坡，那里的农民在春天采摘嫩叶。",
        )
        >= COPIED
    )


def test_who_rewrites_and_judges_is_not_the_model_that_was_tuned_to_write_instructions() -> None:
    given = {
        "model": "runs/back/adapter",
        "judge_model": "gpt",
        "judge_base_url": "http://h/v1",
        "rewrite": True,
        "price_in": 1.0,
    }
    made = {name: options for step in steps(("p",), given) for name, options in step.items()}
    assert (made["rewrite"]["model"], made["rewrite"]["base_url"]) == ("gpt", "http://h/v1")
    assert made["judge"]["model"] == "gpt" and "price_in" not in made["judge"], "a price is of one model"


@pytest.mark.slow
def test_two_rounds_tune_a_model_on_the_good_rows_and_judge_with_it(tmp_path: Path, saying: Any) -> None:
    with saying(says) as server:
        kept, _, result = run_of(tmp_path, server, rounds=2, tune_steps=2, min_score=1)
    names = [s["name"] for s in result.summary["stages"]]
    assert names == ["passages", "backtranslate", "judge", "forward_model", "judge_2"]
    assert result.summary["stages"][3]["notes"]["scored_high"] == 3
    assert len(kept) == 3 and all(1 <= r["judge_score"] <= 5 for r in kept)


def test_two_rounds_on_pages_that_the_tuned_model_does_not_read_are_refused_before_anything_is_paid_for(
    tmp_path: Path, saying: Any
) -> None:
    page = tmp_path / "tea.txt"
    page.write_text("茶叶来自亚洲许多温暖国家的山坡，那里的农民在春天采摘嫩叶，然后把它们晒干。" * 5)
    with saying(says) as server:
        made = make(steps((str(page),), {"model": "tiny-chat", "base_url": server.base_url, "rounds": 2}))
        with pytest.raises(UsageError, match="of 1 rows 1 in zh; name another one with --tune-model, or --rounds 1"):
            execute(made, tmp_path / "out")
        assert not server.bodies


@pytest.mark.slow
def test_pairs_that_fit_worst_go_before_they_are_judged(tmp_path: Path, saying: Any) -> None:
    with saying(says) as server:
        kept, dropped, result = run_of(tmp_path, server, fit=0.67, min_score=1.0)
        asked = [b["messages"][-1]["content"] for b in server.bodies]
    assert [s["name"] for s in result.summary["stages"]] == ["passages", "backtranslate", "semantic", "judge"]
    [worst] = [r for r in dropped if r["reason"] == "not_similar_enough"]
    assert "tyres" in worst["output"] and len(kept) == 2
    assert all(r["input_output_cosine"] > worst["score"] for r in kept)
    assert not any("Score: N" in text and "tyres" in text for text in asked), "what goes is not paid for"


@pytest.mark.slow
def test_where_pairs_go_that_fit_worst_only_the_others_are_quoted_for_the_judge(tmp_path: Path, saying: Any) -> None:
    (tmp_path / "pages").mkdir()
    for page in range(6):
        (tmp_path / "pages" / f"{page}.txt").write_text(f"The soil of lake {page} is {page} metres below. {GARDEN}", "utf-8")
    with saying(says) as server:
        given = {"model": "tiny-chat", "base_url": server.base_url, "fit": 0.4, "price_in": 1.0, "price_out": 4.0}
        told = estimate(make(steps((str(tmp_path / "pages"),), given)), tmp_path / "out", 5)
    assert told["not_counted"] == ["semantic"] and told["sent"] == len(server.bodies) == 5 + 2


@pytest.mark.slow
def test_fit_by_the_embedded_model_is_refused_for_other_languages_before_anything_is_paid_for(
    tmp_path: Path, saying: Any
) -> None:
    page = tmp_path / "pages"
    page.mkdir()
    for i in range(3):
        text = f"第{i}种茶叶来自亚洲许多温暖国家的山坡，那里的农民在春天采摘嫩叶，然后把它们晒干，供人们在家里慢慢品尝。" * 5
        (page / f"{i}.txt").write_text(text)
    with saying(says) as server:
        made = make(steps((str(page),), {"model": "tiny-chat", "base_url": server.base_url, "fit": 0.5}))
        with pytest.raises(UsageError, match=r"'minilm' does not know over 10% of the tokens of 3 of 3 rows; .* --fit-model"):
            execute(made, tmp_path / "out")
        assert not server.bodies
    with pytest.raises(UsageError, match=r"fit must be a number above 0 and at most 1, not 40\.0"):
        steps((str(page),), {"fit": 40.0})
    with pytest.raises(UsageError, match="fit_model is the model of fit, which is not given: --fit SHARE"):
        steps((str(page),), {"fit_model": "x"})


@pytest.mark.parametrize(
    ("said", "task"),
    [
        ("Why is the sky blue?", "Why is the sky blue?"), ('"Why is the sky blue?"', "Why is the sky blue?"),
        ("Instruction: Why is it?", "Why is it?"), ("**Instruction:** Why is it?", "Why is it?"),
        ("Sure! Here is the instruction:\n\nWhy is it?", "Why is it?"), ("Why is it?\n\nAnswer: Because.", "Why is it?"),
        ("```\nWhy is it?\n```", "Why is it?"), ("指令：为什么？", "为什么？"), ("“为什么？”", "为什么？"),
        ("คำสั่ง: ทำไม", "ทำไม"),
        ("好的，以下是指令：\n为什么？", "为什么？"), ('Explain "A" and "B".', 'Explain "A" and "B".'), ("", ""),
        ("Write a poem.\n\nInput: a cat", "Write a poem.\n\nInput: a cat"),
        ("Here is a list of cities to sort:\n\nParis\nRome", "Here is a list of cities to sort:\n\nParis\nRome"),
        ("Task: Sort the list\n3, 1, 2", "Sort the list\n3, 1, 2"),
    ],
)  # fmt: skip
def test_the_instruction_in_an_answer(said: str, task: str) -> None:
    assert instruction_of(said) == task
