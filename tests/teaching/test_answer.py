"""`answer`: prompts that exist, turn by turn, several samples, the best first."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from datagen.cli.notes import notes_of
from datagen.data.rows import row_id
from datagen.errors import UsageError
from datagen.kinds.answer import Answer
from datagen.stage import make  # noqa: F401  (the recipe finds stages by it)
from datagen.teaching.answer import agreement

TASK = {"instruction": "How many are 2 and 3?", "output": "2 + 3 = 5\n#### 5"}


def in_turn(*answers: str) -> Any:
    """Say one answer after the other, then the last again."""
    left = list(answers)
    return lambda prompt: left.pop(0) if len(left) > 1 else left[0]


def test_the_answer_is_replaced_and_the_old_one_stays_as_reference(taught: Any, saying: Any) -> None:
    with saying(lambda prompt: "There are 5.") as server:
        kept, dropped, result = taught("answer", [TASK], server)
    [row] = kept
    assert (row["instruction"], row["output"], row["candidates"]) == (TASK["instruction"], "There are 5.", None)
    assert json.loads(row["extra"])["reference"] == TASK["output"]
    assert row["id"] == row_id(row)
    assert row["generation"]["model"] == "tiny-chat" and row["generation"]["output_tokens"] == 3
    assert not dropped and result.summary["stages"][1]["rows_asked"] == 1
    assert [m["content"] for m in server.bodies[0]["messages"]] == [TASK["instruction"]]


def test_samples_are_candidates_and_the_rule_puts_the_right_ones_first(taught: Any, saying: Any) -> None:
    with saying(in_turn("It is 6.", "So it is 5", "The answer is 4.", "#### 5")) as server:
        [row], _, result = taught("answer", [TASK], server, samples=4, concurrency=1)
    assert [(c["text"], c["score"]) for c in row["candidates"]] == [
        ("So it is 5", 1.0), ("#### 5", 1.0), ("It is 6.", 0.0), ("The answer is 4.", 0.0),
    ]  # fmt: skip
    assert row["output"] == "So it is 5"
    told = {"rows": 1, "asked": 4, "answers": 4, "unknown": 0, "right": 2, "rows_with_a_right_one": 1}
    assert result.summary["stages"][1]["best"] == {"rule": told}
    assert notes_of(result.summary["stages"][1])[1] == "best by rule: 1 rows; 2 of 4 answers right, 1 rows have one"


def test_rows_without_a_worked_answer_cannot_be_ranked_by_the_rule(taught: Any, saying: Any) -> None:
    with saying(lambda prompt: "It is blue.") as server:
        [row], _, result = taught("answer", [{"instruction": "Which colour?"}], server, samples=2, best="rule")
    assert row["output"] == "It is blue." and [c["score"] for c in row["candidates"]] == [None, None]
    assert "1 of them could not be ranked" in notes_of(result.summary["stages"][1])[1]


def test_a_row_whose_best_answer_is_not_right_goes_when_that_is_asked_for(taught: Any, saying: Any) -> None:
    with saying(lambda prompt: "It is 6.") as server:
        kept, [lost], _ = taught("answer", [TASK], server, samples=2, min_score=1)
    assert not kept and (lost["reason"], lost["score"], lost["threshold"]) == ("low_score", 0.0, 1.0)
    assert lost["evidence"] == "the best of 2: It is 6." and lost["output"] == TASK["output"]


def test_a_conversation_is_answered_turn_by_turn_with_the_new_answers(taught: Any, saying: Any) -> None:
    turns = [("user", "Hello"), ("assistant", "old one"), ("user", "And now?"), ("assistant", "old two")]
    record = {"messages": [{"role": r, "content": c} for r, c in turns]}
    with saying(in_turn("new one", "new two")) as server:
        [row], _, _ = taught("answer", [record], server)
    assert [m["content"] for m in row["messages"]] == ["Hello", "new one", "And now?", "new two"]
    assert [[m["content"] for m in b["messages"]] for b in server.bodies] == [["Hello"], ["Hello", "new one", "And now?"]]
    assert row["output"] == "new two" and json.loads(row["extra"])["reference"] == "old two"


def test_rows_that_cannot_be_answered_are_dropped_with_the_reason(taught: Any, saying: Any) -> None:
    tools = {"conversations": [{"from": "human", "value": "weather?"}, {"from": "gpt", "value": "x"}], "tools": "[{}]"}
    records = [TASK, {"instruction": "  ", "output": "x"}, tools, {"instruction": "Say nothing", "output": "x"}]
    with saying(lambda prompt: "" if "nothing" in prompt else "five") as server:
        kept, dropped, _ = taught("answer", records, server)
    assert len(kept) == 1
    assert sorted(r["reason"] for r in dropped) == ["empty_answer", "empty_task", "needs_tools"]


def test_equal_prompts_are_one_request_and_equal_rows_then_one_row(taught: Any, saying: Any) -> None:
    records = [{"instruction": "Name a colour.", "output": a} for a in ("red", "blue")]
    with saying(lambda prompt: "green") as server:
        kept, [lost], _ = taught("answer", records, server)
    assert len(server.bodies) == 1 and len(kept) == 1
    assert lost["reason"] == "exact_duplicate" and lost["witness_id"] == kept[0]["id"]


def test_the_judge_puts_the_best_first_and_its_tokens_are_counted(taught: Any, saying: Any) -> None:
    answers = in_turn("short", "long and good", "middling")

    def says(prompt: str) -> str:
        if "You judge" not in prompt:
            return str(answers(prompt))
        return "Score: 5" if "long and good" in prompt else "Score: 2"

    with saying(says) as server:
        [row], _, _ = taught(
            "answer", [{"instruction": "Tell me.", "output": ""}], server, samples=3, best="judge", concurrency=1
        )
    assert [(c["text"], c["score"]) for c in row["candidates"]] == [("long and good", 5.0), ("short", 2.0), ("middling", 2.0)]
    assert row["generation"]["output_tokens"] == 1 + 3 + 1 + 3 * 2


def test_agreement_is_the_same_final_answer_else_what_texts_have_in_common() -> None:
    assert agreement(["#### 3", "The answer is 3", "so \\boxed{4}"]) == [0.5, 0.5, 0.0]
    assert agreement(["#### 3", "#### 3"], drawn=5) == [0.25, 0.25]
    scores = agreement(["the red house", "the red houses", "a blue car"])
    assert scores[0] > scores[2] and scores[1] > scores[2]  # type: ignore[operator]
    lists = agreement(["1. a cat\n2. b\n3. c", "1. x\n2. y zebra\n3. z"])
    assert max(lists) < 0.7  # type: ignore[type-var]
    assert agreement(["alone"]) == [None]


def test_wrong_options_are_one_line() -> None:
    with pytest.raises(ValueError, match="several samples need a temperature above 0"):
        Answer(samples=2, temperature=0)
    with pytest.raises(ValueError, match="smollm2 knows English only"):
        Answer(language="zh")


def test_the_embedded_model_refuses_rows_in_other_languages(taught: Any, tmp_path: Any, write_jsonl: Any) -> None:
    from datagen import recipe
    from datagen.runner import execute

    path = write_jsonl(
        "zh.jsonl", {"instruction": "请写一首关于春天的诗，要求押韵。", "output": "春天来了，花儿开了，鸟儿在唱歌。"}
    )
    with pytest.raises(UsageError, match="the embedded model smollm2 knows English only, and of 1 rows 1 in zh"):
        execute(recipe.make(["answer"], input=(str(path),)), tmp_path / "out")


def test_what_it_says_of_the_english_rows_is_true(tmp_path: Path, write_jsonl: Any) -> None:
    from datagen import recipe
    from datagen.data.shards import iterate_rows
    from datagen.options import split_stage
    from datagen.runner import execute
    from datagen.text.row_language import language_of

    tasks = [
        "What is the capital of France?",
        "泰国的首都是哪里？请用一句话回答。",
        "ประเทศไทยมีเมืองหลวงชื่ออะไร",
        "Name a colour.",
    ]
    path = write_jsonl("mixed.jsonl", *({"instruction": task} for task in tasks))
    with pytest.raises(UsageError, match="or take the English rows alone: datagen filter ROWS -o ENGLISH --stage") as told:
        Answer().check_rows("answer", [language_of(task, "") for task in tasks])
    stage = dict([split_stage(str(told.value).rpartition("--stage ")[2])])
    execute(recipe.make([stage], input=(str(path),)), tmp_path / "english")
    kept = list(iterate_rows(tmp_path / "english" / "kept"))
    assert [row["instruction"] for row in kept] == [tasks[0], tasks[3]]
    Answer().check_rows("answer", [row["language"] or language_of(row["instruction"], "") for row in kept])


def test_an_adapter_of_the_embedded_model_reads_no_other_languages_either(tmp_path: Path) -> None:
    base = "/somewhere/smollm2-135m-instruct-0123"
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
    with pytest.raises(ValueError, match="smollm2 knows English only"):
        Answer(model=str(tmp_path), language="th")
    assert not Answer(model=str(tmp_path), base_url="http://127.0.0.1:1/v1", language="th").embedded


@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_either_signal_says_what_is_saved_and_how_it_goes_on(
    how: signal.Signals, code: int, saying: Any, write_jsonl: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from datagen.cli import main

    write_jsonl("rows.jsonl", *({"instruction": f"What is {i} and {i}?"} for i in range(40)))
    asked: list[str] = []

    def says(prompt: str) -> str:
        asked.append(prompt)
        if len(asked) == 6:
            os.kill(os.getpid(), how)
        return "It is what it is."

    before = signal.getsignal(signal.SIGTERM)
    words = ["answer", str(tmp_path / "rows.jsonl"), "-o", str(tmp_path / "out"), "--model", "tiny-chat", "--concurrency", "2"]
    with saying(says) as server, pytest.raises(SystemExit) as ended:
        main([*words, "--base-url", server.base_url])
    assert ended.value.code == code
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("datagen: stopped") and last.endswith(
        "everything finished so far is saved, the same command goes on"
    )
    assert signal.getsignal(signal.SIGTERM) == before


def test_sigterm_ends_a_command_that_ignores_ctrl_c_and_no_handler_of_a_caller_is_taken() -> None:
    from datagen.cli.signals import exit_code, term_as_interrupt

    def told_to_stop() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as a job in the background of a script
    try:
        with pytest.raises(KeyboardInterrupt), term_as_interrupt():
            told_to_stop()
    finally:
        signal.signal(signal.SIGINT, before)
    assert exit_code() == 143
    heard: list[int] = []
    own = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    try:
        with term_as_interrupt():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0)
    finally:
        signal.signal(signal.SIGTERM, own)
    assert (heard, exit_code()) == ([signal.SIGTERM], 130)
