"""`judge`: scores with reasons through the journal, pairs in both orders, nothing dropped unless asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from capable_endpoint import ModelServer
from local_endpoint import LocalEndpoint

from datagen import recipe, stage
from datagen.data.rows import Row
from datagen.data.shards import read_all
from datagen.runner import Result, execute

ROWS = [{"instruction": f"Name {w}.", "output": w} for w in ("gold", "lead", "iron", "zinc")]
SCORES = {"gold": "Good.\nScore: 5", "lead": "Poor.\nScore: 2/5", "iron": "I cannot say.", "zinc": "**4**"}


def says(prompt: str) -> str:
    return next(said for word, said in SCORES.items() if f"<<<\n{word}\n>>>" in prompt)


def run_of(
    write_jsonl: Callable[..., Path], out: Path, server: Any, records: Any = ROWS, **options: Any
) -> tuple[list[Row], Result]:
    path = write_jsonl("rows.jsonl", *records)
    given = {"model": "tiny-chat", "base_url": server.base_url, **options}
    result = execute(recipe.make([{"judge": given}], input=(str(path),)), out)
    return read_all(out / "kept").to_pylist(), result


def test_scores_and_reasons_are_columns_and_nothing_is_dropped(write_jsonl: Any, tmp_path: Path) -> None:
    with ModelServer(says=says, ignores="logprobs") as server:
        kept, result = run_of(write_jsonl, tmp_path / "out", server)
    assert [r["judge_score"] for r in kept] == [5.0, 2.0, None, 4.0]
    assert kept[0]["judge_reason"] == "Good.\nScore: 5"
    assert kept[2]["judge_error"] == "no score in: I cannot say."
    notes = result.summary["stages"][1]["notes"]
    assert (notes["scored"], notes["rows_not_scored"], notes["mean_score"]) == (3, 1, 3.6667)
    assert sum(count for _, _, count in notes["distribution"]) == 3
    # An answer without a score is asked for twice more, at a temperature that can give another one; the others once.
    assert len(server.bodies) == 3 + 1 + 2
    assert Counter(b["temperature"] for b in server.bodies) == {0.0: 4, 0.7: 2}


def test_min_score_drops_what_is_below_and_what_has_no_score_under_its_own_name(write_jsonl: Any, tmp_path: Path) -> None:
    with ModelServer(says=says, ignores="logprobs") as server:
        kept, _ = run_of(write_jsonl, tmp_path / "out", server, min_score=4)
        asked = len(server.bodies)
        again, _ = run_of(write_jsonl, tmp_path / "out", server, min_score=5)
        assert len(server.bodies) == asked, "another threshold asks nothing"
    assert [r["output"] for r in kept] == ["gold", "zinc"] and [r["output"] for r in again] == ["gold"]
    dropped = read_all(tmp_path / "out" / "dropped").to_pylist()
    assert [(r["reason"], r["score"], r["threshold"], r["evidence"]) for r in dropped] == [
        ("low_score", 2.0, 5.0, "Poor.\nScore: 2/5"), ("no_score", None, 5.0, "no score in: I cannot say."),
        ("low_score", 4.0, 5.0, "**4**"),
    ]  # fmt: skip


def test_probabilities_are_taken_where_the_endpoint_has_them(write_jsonl: Any, tmp_path: Path) -> None:
    with LocalEndpoint() as server:
        kept, _ = run_of(
            write_jsonl, tmp_path / "out", server, [{"instruction": f"Say {i}.", "output": str(i)} for i in range(12)]
        )
        assert all(b["logprobs"] for b in server.bodies)
    scores = [r["judge_score"] for r in kept if r["judge_score"] is not None]
    # The endpoint gives the next score a third of the probability.
    assert scores and all(abs(s * 3 - round(s * 3)) < 1e-9 for s in scores) and any(s != round(s) for s in scores)


def test_an_endpoint_that_refuses_probabilities_is_asked_without(write_jsonl: Any, tmp_path: Path) -> None:
    with LocalEndpoint(lacks=["logprobs"]) as server:
        kept, result = run_of(
            write_jsonl, tmp_path / "out", server, [{"instruction": f"Say {i}.", "output": str(i)} for i in range(6)]
        )
    assert sum(r["judge_score"] is not None for r in kept) >= 5
    assert result.summary["stages"][1]["notes"]["usage"]["sent"] <= 6 + 1 + 4


def test_what_was_given_up_is_asked_again_as_often_as_one_says(write_jsonl: Any, tmp_path: Path) -> None:
    scored, asked = [], []
    with LocalEndpoint(always="context") as server:
        for again, fault in ((False, "context"), (False, ""), (True, "context"), (True, "")):
            server.always = fault
            kept, _ = run_of(write_jsonl, tmp_path / "out", server, ROWS[:1], probabilities="off", retry_failed=again)
            scored.append(kept[0]["judge_score"] is not None)
            asked.append(server.requests)
    assert scored == [False, False, False, True]
    assert asked[0] == asked[1] < asked[2] < asked[3]


def test_samples_are_averaged(write_jsonl: Any, tmp_path: Path) -> None:
    scores = iter([5, 3, 4] * 10)
    with ModelServer(says=lambda prompt: f"Score: {next(scores)}", ignores="logprobs") as server:
        kept, _ = run_of(write_jsonl, tmp_path / "out", server, ROWS[:1], samples=3, temperature=0.7, probabilities="off")
    assert kept[0]["judge_score"] == 4.0


def test_pairs_are_asked_in_both_orders_and_a_judge_that_contradicts_itself_makes_a_tie(
    write_jsonl: Any, tmp_path: Path
) -> None:
    def pair(name: str, one: str, other: str) -> dict[str, Any]:
        return {
            "conversations": [{"from": "human", "value": name}],
            "chosen": {"from": "gpt", "value": one}, "rejected": {"from": "gpt", "value": other},
        }  # fmt: skip

    def prefers(prompt: str) -> str:
        if "position" in prompt:
            return "Better: A"
        first, second = prompt.index("good"), prompt.index("bad")
        return "Better: A" if first < second else "Better: B"

    records = [pair("one", "good", "bad"), pair("two", "bad", "good"), pair("position", "x", "y"), ROWS[0]]
    with ModelServer(says=prefers) as server:
        kept, result = run_of(write_jsonl, tmp_path / "out", server, records, pairs=True)
    assert [r["judge_score"] for r in kept] == [1.0, 0.0, 0.5, None]
    assert kept[3]["judge_error"] == "fewer than two candidates" and len(server.bodies) == 6
    assert kept[1]["judge_reason"] == "First candidate shown as A: Better: B\nSecond candidate shown as A: Better: A"
    notes = result.summary["stages"][1]["notes"]
    wins = [notes[name] for name in ("first_better", "second_better", "ties", "contradicted", "rows_not_scored")]
    assert wins == [1, 1, 1, 1, 1]


def test_equal_requests_under_way_are_bought_once(write_jsonl: Any, tmp_path: Path) -> None:
    same = {"conversations": [{"from": "human", "value": "Hi"}], "chosen": {"from": "gpt", "value": "yes"}}
    records = [{**same, "rejected": {"from": "gpt", "value": f"no {i}"}} for i in range(8)]
    with ModelServer(says=lambda prompt: "Score: 4", ignores="logprobs") as server:
        kept, _ = run_of(write_jsonl, tmp_path / "out", server, records, probabilities="off")
    assert len(kept) == 8 and len(server.bodies) == 1


def test_the_judge_reads_a_conversation_with_its_roles(write_jsonl: Any, tmp_path: Path) -> None:
    said = [("system", "Be short."), ("user", "Hi"), ("assistant", "Hello"), ("user", "And now?"), ("assistant", "Bye")]
    records = [{"messages": [{"role": role, "content": text} for role, text in said]}, ROWS[0]]
    with ModelServer(says=lambda prompt: "Score: 4", ignores="logprobs") as server:
        run_of(write_jsonl, tmp_path / "out", server, records, probabilities="off")
    texts = [b["messages"][0]["content"] for b in server.bodies]  # under way at one time: they arrive in any order
    talk, alone = sorted(texts, key=lambda text: "Be short." not in text)
    assert "<<<\nsystem: Be short.\n\nuser: Hi\n\nassistant: Hello\n\nuser: And now?\n>>>" in talk and "<<<\nBye\n>>>" in talk
    assert f"<<<\n{ROWS[0]['instruction']}\n" in alone, "one turn needs no role"


def test_a_rubric_of_ones_own_and_the_language_of_the_row(write_jsonl: Any, tmp_path: Path) -> None:
    (tmp_path / "rubric.txt").write_text("1: dull\n9: brilliant")
    records = [ROWS[0], {"instruction": "请写一首关于春天的诗。", "output": "春天来了，花儿开了，鸟儿在唱歌。"}]
    with ModelServer(says=lambda prompt: "评分：7" if "评分：N" in prompt else "Score: 3", ignores="logprobs") as server:
        kept, _ = run_of(write_jsonl, tmp_path / "out", server, records, rubric=str(tmp_path / "rubric.txt"), high=9)
    assert [r["judge_score"] for r in kept] == [3.0, 7.0]
    assert all("9: brilliant" in b["messages"][0]["content"] for b in server.bodies)


def test_wrong_options_are_refused() -> None:
    for options, said in (
        ({"min_score": 9}, "min_score must be at least 1 and at most 5"), ({"low": 5, "high": 5}, "low below high"),
        ({"samples": 3, "model": "m", "base_url": "http://127.0.0.1:1/v1"}, "several samples need a temperature"),
        ({"high": 10}, "high must be 9 or less"), ({"language": "th"}, "knows English only"),
    ):  # fmt: skip
        with pytest.raises(stage.UsageError, match=said):
            stage.make("judge", options)
