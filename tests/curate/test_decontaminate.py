"""`decontaminate` finds what a benchmark asks in any field and script, and says where; common phrases say nothing."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen import stage
from datagen.cli.notes import notes_of
from datagen.data.rows import Row, new_row, table_of, turn
from datagen.errors import DataError, UsageError
from datagen.stage import Context
from datagen.text.tokens import words

DUCKS = (
    "Janet's ducks lay sixteen eggs per day. She eats three for breakfast every morning and bakes muffins for her friends"
    " with four. She sells the rest for $2,000 each. How much does she make?"
)
ZH = "丝绸之路从长安出发，经过河西走廊、西域各国，最后到达地中海沿岸的许多城市，请问它一共经过了多少个国家？"
TH = "ชาวนาคนหนึ่งมีควายอยู่สิบสองตัวและขายไปห้าตัวในตอนเช้า เขาจะเหลือควายกี่ตัวในตอนเย็นของวันนั้น"


def items(folder: Path, *records: dict[str, Any]) -> str:
    path = folder / "bench.jsonl"
    path.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8")
    return str(path)


def judged(rows: list[Row], against: str, **options: Any) -> list[tuple[int, float, str]]:
    made = stage.make("decontaminate", {"against": against, **options})
    made.identity()
    scores = stage.scored(made, table_of(rows), Context())
    assert scores.column("error").null_count == len(rows), scores.column("error").to_pylist()
    dropped = stage.apply(made, scores, np.ones(len(rows), bool), Context()).dropped
    return [(d["row"], round(d["score"], 2), d["evidence"]) for d in dropped.to_pylist()]


@pytest.fixture
def bench(tmp_path: Path) -> str:
    return items(tmp_path, {"question": DUCKS}, {"Question": ZH}, {"turns": [TH, "Which one is it then?"]}, {"prompt": "why?"})


@pytest.mark.parametrize("text", [DUCKS, ZH, TH])
def test_a_prompt_is_found_whole_cut_recased_repunctuated_inside_other_text_and_in_the_answer(bench: str, text: str) -> None:
    cut = text[: int(len(text) * 0.8)]
    plain = text.replace(",", "").replace("，", "、").replace(".", " ;").replace("$", "")
    rows = [
        new_row(instruction=text, output="x"), new_row(instruction=cut, output="x"),
        new_row(instruction=text.upper(), output="x"),
        new_row(instruction=plain, output="x"), new_row(instruction=f"Please help me. {text} Thank you!", output="x"),
        new_row(instruction="Invent a question.", output=f"Here it is: {text}"),
        new_row(instruction="Solve it.", input=text, output="x"),
        new_row(instruction=cut[: len(cut) // 2], input=cut[len(cut) // 2 :], output="x"),
        new_row(instruction="z", output="o", system=text),
        new_row(instruction="b", messages=[turn("user", text), turn("assistant", "a"), turn("user", "b")]),
        new_row(instruction="q", output="o", candidates=[{"text": text, "score": 0.0, "source": ""}]),
    ]  # fmt: skip
    found = judged(rows, bench)
    assert [at for at, _, _ in found] == list(range(len(rows)))
    assert all(score >= 0.5 for _, score, _ in found)


@pytest.mark.parametrize("text", [DUCKS, ZH, TH])
def test_a_prompt_is_found_in_reasoning_and_in_what_tools_are_called_with(bench: str, text: str) -> None:
    def called(arguments: Any) -> Row:
        call = json.dumps([{"type": "function", "function": {"name": "search", "arguments": arguments}}])
        return new_row(
            instruction="q", messages=[turn("user", "q"), turn("assistant", None, tool_calls=call), turn("tool", "r")]
        )

    lines = text.replace(". ", ".\n").replace("，", "，\n")
    rows = [
        new_row(instruction="q", messages=[turn("user", "q"), turn("assistant", "18", reasoning=f"We are asked: {text}")]),
        called(json.dumps({"q": text})), called({"q": [{"of": text}]}), called(json.dumps({"q": json.dumps({"x": text})})),
        called(json.dumps({"q": lines})), called(lines),
        new_row(instruction="q", messages=[turn("user", "q"), turn("assistant", "18", reasoning="Sixteen less three is 13.")]),
    ]  # fmt: skip
    assert [at for at, _, _ in judged(rows, bench)] == [0, 1, 2, 3, 4, 5]


def test_the_evidence_names_the_file_the_item_and_the_matched_words(bench: str) -> None:
    ((_, score, evidence),) = judged([new_row(instruction=f"Well: {DUCKS}", output="x")], bench)
    assert (score, evidence[:47]) == (1.0, "bench.jsonl, line 1: janet's ducks lay sixteen ")
    assert evidence.endswith("how much does she make")


def test_half_an_item_is_enough_and_less_is_not(tmp_path: Path) -> None:
    against = items(tmp_path, {"question": " ".join(f"w{i}" for i in range(19))})  # 12 n-grams
    half, less, one, none = (new_row(instruction=" ".join(f"w{i}" for i in range(n)), output="x") for n in (13, 12, 8, 7))
    assert [(at, score) for at, score, _ in judged([half, less], against)] == [(0, 0.5)]
    assert [at for at, _, _ in judged([half, less], against, threshold=0.4)] == [0, 1]
    assert [at for at, _, _ in judged([one, none], against, rule="any")] == [0]


def test_short_items_must_be_there_whole_and_the_shortest_be_a_whole_field(tmp_path: Path) -> None:
    against = items(tmp_path, {"question": "Who invented the electric bulb?"}, {"question": "Why?"})
    rows = [
        new_row(instruction="Tell me who invented the electric bulb, please.", output="x"),
        new_row(instruction="Who invented the electric", output="x"),
        new_row(instruction="why", output="x"), new_row(instruction="Explain why it is so", output="x"),
    ]  # fmt: skip
    assert [(at, e.partition(": ")[2]) for at, _, e in judged(rows, against)] == [
        (0, "who invented the electric bulb"), (2, "all of a field: why"),
    ]  # fmt: skip


def test_a_phrase_that_instructions_share_is_no_leak(tmp_path: Path) -> None:
    against = items(tmp_path, {"question": "Write a python function that takes a list of numbers and returns: the sum"})
    row = new_row(instruction="Write a Python function that takes a list of numbers and returns the largest.", output="x")
    assert judged([row], against) == []
    assert len(judged([row], against, common="off")) == 1


def test_a_preamble_that_many_items_share_is_no_leak(tmp_path: Path) -> None:
    preamble = "Fill in the whole table for the argument below, and say with its help whether the argument holds or fails. {}"
    own = ["P or Q and not R then S", "A implies B unless C or D fails", "X and Y or Z but never W"]
    against = items(tmp_path, *({"question": preamble.format(f"{o} in case {n} of ours")} for n, o in enumerate(own * 2)))
    rows = [
        new_row(instruction=preamble.format("G if H, not K"), output="It fails."),
        new_row(instruction=preamble.format(f"{own[1]} in case 4 of ours"), output="It holds."),
    ]
    assert [at for at, _, _ in judged(rows, against)] == [1]


def test_items_that_are_nothing_but_shared_words_are_found(tmp_path: Path) -> None:
    text = "Fill in the whole table for the argument below, and say with its help whether the argument holds."
    against = items(tmp_path, *({"question": text + "!" * n} for n in range(6)))
    assert [at for at, _, _ in judged([new_row(instruction=text, output="x")], against)] == [0]


def test_a_field_inside_another_can_be_named(tmp_path: Path) -> None:
    against = items(tmp_path, {"question": {"stem": DUCKS, "choices": [{"text": "3"}]}}, {"data": [{"Q": ZH}], "stem": "why"})
    rows = [new_row(instruction=text, output="x") for text in (DUCKS, ZH)]
    assert [at for at, _, _ in judged(rows, against, fields=["question.stem", "data.q"])] == [0, 1]
    with pytest.raises(DataError, match="name them with fields=NAME"):
        judged(rows, against, fields=["question.body"])


def test_items_without_such_a_field_are_read_as_rows_are_and_silent_ones_are_named(tmp_path: Path) -> None:
    asked = [DUCKS, ZH, TH, "How many moons does the planet Jupiter have by the latest count of all astronomers?"]
    shapes = [
        lambda text: {"question": text, "answer": "x"}, lambda text: {"query": text, "answer": "x"},
        lambda text: {"question": None, "stem": text}, lambda text: {"messages": [{"role": "user", "content": text}]},
        lambda text: {"prompt": [{"role": "user", "content": [{"type": "text", "text": text}]}]},
        lambda text: {"conversations": [{"from": "human", "value": text}, {"from": "gpt", "value": "x"}]},
        lambda text: {"question": "", "doc": {"Problem": text}, "answer": 3}, lambda text: {"题目": text, "选项": ["a", "b"]},
        lambda text: {"โจทย์": text}, lambda text: {"input": text, "target": "x"},
    ]  # fmt: skip
    for text in asked:
        for shape in shapes:
            against = items(tmp_path, {"question": "Who invented the electric bulb?"}, shape(text))
            assert [at for at, _, _ in judged([new_row(instruction=text, output="x")], against)] == [0], shape(text)
    against = items(tmp_path, {"question": DUCKS}, {"question": None, "answer": ZH}, {"id": 3}, {"query": ZH})
    made = stage.make("decontaminate", {"against": against})
    scores = stage.scored(made, table_of([new_row(instruction=ZH, output="x")]), Context())
    notes = stage.apply(made, scores, np.ones(1, bool), Context()).notes
    assert notes == {"items_without_text": 2, "first_without_text": "bench.jsonl, line 2"}
    assert notes_of({"notes": notes}) == [
        "2 benchmark items hold nothing to look for, first bench.jsonl, line 2; name their field with fields=NAME"
    ]


def test_a_benchmark_that_was_changed_is_read_again(tmp_path: Path) -> None:
    first, second = "How many bowls are left on the shelf at noon?", "Where do the swallows of the harbour build nests?"
    rows = [new_row(instruction=first, output="9"), new_row(instruction=second, output="Under roofs.")]
    path = items(tmp_path, {"question": first})
    assert [at for at, *_ in judged(rows, path)] == [0]
    items(tmp_path, {"question": second})
    assert [at for at, *_ in judged(rows, path)] == [1]


def test_an_item_that_cannot_be_read_is_an_error_not_a_leak_that_is_missed(tmp_path: Path) -> None:
    path = items(tmp_path, {"question": DUCKS})
    with Path(path).open("a", encoding="utf-8") as f:
        f.write('{"question": "cut off\n')
    with pytest.raises(DataError, match="line 2 cannot be read; what is not looked for is not found"):
        judged([new_row(instruction=DUCKS, output="x")], path)


def test_a_file_without_prompts_and_no_file_at_all_are_errors(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"bench.jsonl has no item with one of the fields question, .*; name them with fields=NAME"
    ):
        judged([new_row(instruction="a", output="b")], items(tmp_path, {"task": "x"}))
    with pytest.raises(UsageError, match="decontaminate needs benchmarks"):
        stage.make("decontaminate", {}).identity()


WORDS = st.lists(st.sampled_from(["a", "b", "c", "丝", "路", "ที่"]), max_size=14).map(" ".join)


@settings(max_examples=60)
@given(st.lists(WORDS, min_size=1, max_size=4), st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4))
def test_coverage_is_that_of_brute_force(
    tmp_path_factory: pytest.TempPathFactory, prompts: list[str], rows: list[tuple[str, str]]
) -> None:
    prompts = [p for p in prompts if len(words(p)) >= 5] or ["a b c a b c"]
    against = items(tmp_path_factory.mktemp("b"), *({"question": p} for p in prompts))
    made = stage.make("decontaminate", {"against": against, "ngram": 5, "common": "off"})
    scores = pa.table(made.score(table_of([new_row(instruction=i, output=o) for i, o in rows]), Context()))

    def grams(text: str, n: int) -> set[tuple[str, ...]]:
        found = words(text)
        return {tuple(found[i : i + n]) for i in range(len(found) - n + 1)}

    for (task, answer), told in zip(rows, scores.column("coverage").to_pylist(), strict=True):
        n = 5
        best = max(len(grams(p, n) & (grams(task, n) | grams(answer, n))) / len(grams(p, n)) for p in prompts)
        assert (told or 0.0) == pytest.approx(best)


def test_a_prompt_in_another_spelling_of_thai_or_lao_is_the_prompt(tmp_path: Path) -> None:
    thai = "น้ำตาลหนึ่งกิโลกรัมละลายในน้ำสามลิตรแล้วแม่แบ่งใส่แก้วได้กี่แก้ว"
    lao = "ນ້ຳຕານໜຶ່ງກິໂລລະລາຍໃນນ້ຳສາມລິດແລ້ວແມ່ແບ່ງໃສ່ແກ້ວໄດ້ຈັກແກ້ວ"
    said = [thai.replace("\u0e49\u0e33", "\u0e4d\u0e49\u0e32").replace("\u0e41", "\u0e40\u0e40")]
    said += [
        unicodedata.normalize("NFKC", thai),
        lao.replace("\u0ec9\u0eb3", "\u0ecd\u0ec9\u0eb2").replace("\u0ec1", "\u0ec0\u0ec0"),
    ]
    rows = [new_row(instruction=q, output="ok") for q in said]
    assert not {thai, lao} & set(said)
    found = judged(rows, items(tmp_path, {"question": thai}, {"question": lao}), threshold=1.0)
    assert [row for row, *_ in found] == [0, 1, 2]
