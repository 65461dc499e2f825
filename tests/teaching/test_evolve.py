"""`evolve`: Evol-Instruct's operations, rounds, elimination with reasons, lineage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datagen.kinds.evolve import OPERATIONS, Evolve
from datagen.report.explain import fates

ROWS = [{"instruction": f"Name {n} rivers.", "output": f"Here are {n} rivers."} for n in ("two", "three", "four", "five")]


def model(
    evolved: str = "Name {n} long rivers of Asia.", equal: str = "Not equal", answer: str = "The Mekong is one of them."
) -> Any:
    """Answer as a model that evolves by a pattern."""
    count = iter(range(1000))

    def says(prompt: str) -> str:
        if "equal?" in prompt:
            return equal
        if "new task only" in prompt:
            return evolved.replace("{n}", str(next(count)))
        return answer

    return says


def test_each_round_starts_from_the_one_before_and_the_lineage_is_told(taught: Any, saying: Any, tmp_path: Path) -> None:
    with saying(model()) as server:
        kept, dropped, result = taught("evolve", ROWS[:1], server, rounds=3)
    assert [r["instruction"] for r in kept] == [
        "Name two rivers.", "Name 0 long rivers of Asia.", "Name 1 long rivers of Asia.", "Name 2 long rivers of Asia.",
    ]  # fmt: skip
    assert [r["parents"] for r in kept[1:]] == [[r["id"]] for r in kept[:-1]]
    told = [json.loads(r["extra"]) for r in kept[1:]]
    assert [t["round"] for t in told] == [1, 2, 3] and {t["root"] for t in told} == {kept[0]["id"]}
    assert {t["operation"] for t in told} <= set(OPERATIONS)
    [found] = fates(tmp_path / "out", kept[3]["id"])
    assert [r["id"] for r in found["lineage"]] == [kept[2]["id"], kept[1]["id"], kept[0]["id"]]
    assert not dropped
    told_of = result.summary["stages"][1]
    assert told_of["new_rows"] == 3 and sum(made for made, _ in told_of["operations"].values()) == 3
    assert "Operations</caption>" in (tmp_path / "out" / "report.html").read_text()
    assert result.summary["rows_in"] == result.summary["rows_kept"] == 4


@pytest.mark.parametrize(
    ("reason", "given"),
    [
        ("no_information_gain", {"equal": "Equal"}),
        ("copies_prompt", {"evolved": "#Rewritten Prompt#: Name {n} rivers"}),
        ("no_information_gain", {"evolved": "Name two  rivers."}),
        ("cannot_answer", {"answer": "Sorry, I cannot do that."}),
        ("only_stop_words", {"answer": "the of and."}),
        ("only_stop_words", {"answer": "ของที่และ"}),
        ("no_information_gain", {"equal": "Equal. There is no difference."}),
        ("no_information_gain", {"equal": "相同，没有区别"}),
        ("empty_answer", {"answer": ""}),
        ("empty_task", {"evolved": "..."}),
    ],
)
def test_what_fails_is_eliminated_and_the_next_round_starts_from_the_old_task(
    taught: Any, saying: Any, reason: str, given: dict[str, str]
) -> None:
    with saying(model(**given)) as server:
        kept, dropped, result = taught("evolve", ROWS[:1], server, rounds=2, seed=3)
    assert len(kept) == 1 and {r["reason"] for r in dropped} == {reason} and len(dropped) == 2
    assert {r["parents"][0] for r in dropped} == {kept[0]["id"]}
    assert result.summary["rows_in"] == 3 and result.summary["rows_dropped"] == 2


@pytest.mark.parametrize(
    "said",
    [
        "Not equal",
        "Not the same.",
        "They aren't equal.",
        "No, they are not quite equal",
        "unequal",
        "不相同",
        "不一样",
        "ไม่เหมือนกัน",
        "Hm.",
        "They are similar, but the second has the same constraints plus one more.",
    ],
)
def test_a_denial_in_other_words_is_no_equality(taught: Any, saying: Any, said: str) -> None:
    with saying(model(equal=said)) as server:
        kept, dropped, _ = taught("evolve", ROWS[:1], server)
    assert len(kept) == 2 and not dropped
    assert kept[1]["generation"]["output_tokens"] >= len(said.split()) + 6, "the judgement is counted"


def test_the_operation_of_a_row_and_round_depends_on_the_seed_alone(taught: Any, saying: Any) -> None:
    def operations(out: str, **options: Any) -> list[str]:
        with saying(model()) as server:
            kept, _, _ = taught("evolve", ROWS, server, out=out, rounds=2, **options)
        return [json.loads(r["extra"])["operation"] for r in kept if r["parents"]]

    first = operations("a", concurrency=1)
    assert operations("b", concurrency=8) == first
    assert operations("c", seed=18) != first
    assert set(operations("d", operations=["breadth"])) == {"breadth"}


def test_wrong_options_are_named() -> None:
    with pytest.raises(ValueError, match="there is no operation 'depth'; they are constraints, deepen"):
        Evolve(operations=("depth",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rounds must be 1 to 20"):
        Evolve(rounds=0)
