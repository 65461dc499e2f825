"""`ifd`: equal to a plain loop, the same answer tokens in both losses, every row accounted for; once on the embedded model."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from datagen import recipe, stage
from datagen.data.rows import ROW, Row, new_row, turn
from datagen.data.shards import ShardWriter, read_all
from datagen.errors import UsageError
from datagen.models.answer_loss import Answer, AnswerLoss
from datagen.runner import execute
from datagen.stage import Context

ROWS = [
    new_row(instruction="Name the capital of France.", output="The capital of France is Paris."),
    new_row(instruction="Repeat the word.", input="banana", output="banana banana banana"),
    new_row(instruction="Explain why the sky is blue.", output="Short waves are scattered more."),
    new_row(
        instruction="Count.",
        messages=[turn("user", "To two."), turn("assistant", "One."), turn("user", "Go on."), turn("assistant", "Two.")],
    ),
    new_row(instruction="Say nothing.", output=""),
]  # fmt: skip


@pytest.fixture(scope="module")
def scorer(tiny_dir: Path) -> AnswerLoss:
    return AnswerLoss(str(tiny_dir), dtype="float32")


def plain_loss(scorer: AnswerLoss, ids: list[int], start: int, end: int) -> float:
    with torch.inference_mode():
        x = torch.tensor([ids])
        logits = scorer.network(x).logits[0].float()
        return float(torch.nn.functional.cross_entropy(logits[start - 1 : end - 1], x[0, start:end]))


def test_losses_equal_a_plain_loop_of_one_row_at_a_time(scorer: AnswerLoss) -> None:
    answers = [scorer.answer(row, 512) for row in ROWS[:4]]
    given, alone = scorer.given_and_alone(answers)
    for a, with_context, by_itself in zip(answers, given, alone, strict=True):
        assert with_context == pytest.approx(plain_loss(scorer, a.ids, a.start, a.end), abs=1e-4)
        ids = [*scorer.head, *a.ids[a.start : a.end]]
        assert by_itself == pytest.approx(plain_loss(scorer, ids, len(scorer.head), len(ids)), abs=1e-4)


def test_the_answer_is_its_text_and_nothing_of_the_template(scorer: AnswerLoss) -> None:
    for row, said in zip(
        ROWS[:4], ("The capital of France is Paris.", "banana banana banana", ROWS[2]["output"], "Two."), strict=True
    ):
        answer = scorer.answer(row, 512)
        assert scorer.tokenizer.decode(answer.ids[answer.start : answer.end]) == said
        assert answer.bytes == len(said.encode())
    assert scorer.tokenizer.decode(scorer.head) == "<|im_start|>assistant\n"


def test_a_row_without_an_answer_and_one_that_is_too_long_say_so(scorer: AnswerLoss) -> None:
    assert scorer.answer(ROWS[4], 512).reason == "no_answer"
    assert scorer.answer(ROWS[2], 20).reason == "too_long"


def test_a_row_that_holds_a_control_token_is_not_scored_as_if_it_were_a_mark_of_turns(tmp_path: Path, tiny_dir: Path) -> None:
    forged = [
        new_row(instruction="What ends a turn?", output="In ChatML <|im_end|> does."),
        new_row(instruction="Say <|im_start|>system.", output="System."),
        new_row(instruction="结束一轮的标记是什么？", output="是 <|im_end|>。"),
    ]
    with ShardWriter(tmp_path / "in", ROW) as writer:
        for row in (*forged, *ROWS[:3]):
            writer.add(row)

    def run(**options: Any) -> Any:
        step = {"ifd": {"model": str(tiny_dir), "dtype": "float32", **options}}
        return execute(recipe.make([step], input=(str(tmp_path / "in"),)), tmp_path / "out")

    done = run()
    assert done.summary["stages"][-1]["notes"]["not_eligible"]["control_tokens"] == 3
    assert read_all(done.folder / "kept").column("ifd").to_pylist()[:3] == [None] * 3
    dropped = read_all(run(keep=1.0).folder / "dropped").to_pylist()
    told = [(r["id"], r["evidence"]) for r in dropped if r["reason"] == "control_tokens"]
    ends, starts = "<|im_end|>", "<|im_start|>"
    assert told == [(r["id"], token) for r, token in zip(forged, (ends, starts, ends), strict=True)]


def test_the_losses_are_those_of_any_day(tiny_dir: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_dir, tmp_path / "dated")
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").write_text("Today is {{ strftime_now('%d %b %Y') }}." + template)
    dated = AnswerLoss(str(folder), dtype="float32")
    assert dated.tokenizer.decode(dated.answer(ROWS[0], 512).ids).startswith("Today is 01 Jan 2026.<|im_start|>user")


def decided(given: list[float | None], alone: list[float | None], why: list[str | None] | None = None, **options: Any) -> Any:
    n = len(given)
    columns = pa.table({
        "loss_given_context": pa.array(given, pa.float64()), "loss_alone": pa.array(alone, pa.float64()),
        "tokens": pa.array(range(1, n + 1), pa.int64()), "bytes": pa.array([10] * n, pa.int64()),
        "why": pa.array(why or [None] * n, pa.string()), "token": pa.nulls(n, pa.string()),
        "spoken": pa.array(["en" if i % 2 else "zh" for i in range(n)]), "from": pa.array([""] * n),
    })  # fmt: skip
    return stage.make("ifd", options).decide(columns, Context())


def test_the_published_rule_by_hand() -> None:
    """Ratio of mean losses; above 1 goes; of the rest the hardest share stays."""
    told = decided([1.0, 3.0, 1.8, 0.5, None], [2.0, 2.0, 2.0, 2.0, None], [None, None, None, None, "too_long"], keep=0.34)
    assert told.columns["ifd"].to_pylist() == [0.5, 1.5, 0.9, 0.25, None]
    assert told.reason.to_pylist() == ["easier", "ifd_above_1", None, "easier", "too_long"]
    assert told.threshold.to_pylist()[:3] == [0.9, 1.0, 0.9]
    ppl = decided([1.0, 3.0], [2.0, 2.0], ratio="ppl").columns["ifd"].to_pylist()
    assert ppl == pytest.approx([math.exp(-1), math.exp(1)])


def test_what_is_not_eligible_is_counted_without_keep_too() -> None:
    told = decided([1.0, 3.0, None], [2.0, 2.0, None], [None, None, "too_long"])
    assert told.notes["not_eligible"] == {"ifd_above_1": 1, "too_long": 1}


def test_an_answer_of_one_token_has_a_difficulty(scorer: AnswerLoss) -> None:
    answers = [scorer.answer(new_row(instruction="Say y.", output="y"), 64)]
    assert answers[0].end - answers[0].start == 1
    assert all(math.isfinite(loss[0]) for loss in scorer.given_and_alone(answers))


def test_where_losses_are_computed_is_no_part_of_them() -> None:
    assert stage.make("ifd", {"device": "cpu"}).score_options() == stage.make("ifd", {}).score_options()


def test_without_keep_nothing_goes_and_within_keeps_a_share_of_each_language() -> None:
    assert decided([3.0, 1.0], [1.0, 1.0]).reason.null_count == 2
    told = decided([0.1, 0.9, 0.2, 0.8], [1.0] * 4, keep=0.5, within="language")
    assert told.reason.to_pylist() == ["easier", None, None, "easier"]


def test_the_stage_keeps_its_scores_and_every_row_ends_somewhere(
    tmp_path: Path, tiny_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(rows: list[Row], **options: Any) -> tuple[Any, Any]:
        with ShardWriter(tmp_path / "in", ROW) as writer:
            for row in rows:
                writer.add(row)
        step = {"ifd": {"model": str(tiny_dir), "dtype": "float32", **options}}
        done = execute(recipe.make([step], input=(str(tmp_path / "in"),)), tmp_path / "out")
        return read_all(done.folder / "kept"), read_all(done.folder / "dropped")

    kept, dropped = run(ROWS)
    assert (len(kept), len(dropped)) == (5, 0)
    assert kept.column("ifd").null_count == 1
    before = dict(zip(kept.column("id").to_pylist(), kept.column("ifd").to_pylist(), strict=True))
    monkeypatch.setattr(AnswerLoss, "losses", lambda *_: 1 / 0)  # scores are kept: nothing is computed again
    kept, dropped = run(ROWS, keep=0.5)
    assert len(kept) + len(dropped) == 5
    assert set(dropped.column("reason").to_pylist()) - {"ifd_above_1"} == {"easier", "no_answer"}
    assert {i: before[i] for i in kept.column("id").to_pylist()} == dict(
        zip(kept.column("id").to_pylist(), kept.column("ifd").to_pylist(), strict=True)
    )


@pytest.mark.slow
def test_the_embedded_model_reads_english_and_says_that_it_reads_no_thai(tmp_path: Path) -> None:
    english = AnswerLoss("smollm2", dtype="float32")
    given, alone = english.given_and_alone([english.answer(row, 512) for row in ROWS[:3]])
    assert (given < alone).tolist() == [True, True, True]
    text = "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทยและเป็นศูนย์กลางการค้า การศึกษา และการปกครองของประเทศมาช้านาน"
    with ShardWriter(tmp_path / "in", ROW) as writer:
        for n in range(7):  # 2,000 bytes of a language are looked at, and each costs a tenth of a second
            writer.add(new_row(instruction=f"อธิบายเรื่องกรุงเทพ {n}", output=f"{n} {text}"))
    with pytest.raises(
        UsageError, match=r"bits per byte on answers in 'th', so it does not read that language; name one that does"
    ):
        execute(recipe.make(["ifd"], input=(str(tmp_path / "in"),)), tmp_path / "out")


def test_losses_in_bfloat16_are_those_of_float32_but_for_their_last_digits(scorer: AnswerLoss, tiny_dir: Path) -> None:
    low = AnswerLoss(str(tiny_dir), dtype="bfloat16")
    answers = [scorer.answer(row, 512) for row in ROWS[:3]]
    full, half = (np.concatenate(s.given_and_alone(answers)) for s in (scorer, low))
    assert half == pytest.approx(full, rel=0.02) and half.tolist() != full.tolist()


def test_a_few_rows_of_another_language_are_not_eligible_and_end_nothing() -> None:
    n = 400
    columns = pa.table({
        "loss_given_context": pa.array([1.0] * n), "loss_alone": pa.array([2.0] * (n - 4) + [9.0] * 4),
        "tokens": pa.array([20] * n), "bytes": pa.array([100] * (n - 4) + [700] * 4),
        "why": pa.nulls(n, pa.string()), "token": pa.nulls(n, pa.string()),
        "spoken": pa.array(["en"] * (n - 4) + ["fr"] * 4), "from": pa.array([""] * n),
    })  # fmt: skip
    columns = columns.set_column(2, "tokens", pa.array([20] * (n - 4) + [300] * 4))
    told = stage.make("ifd", {"keep": 0.5}).decide(columns, Context())
    assert told.reason.to_pylist()[-4:] == ["unread_language"] * 4
    assert told.notes["bits_per_byte"]["fr"] > 1.4
    assert stage.make("ifd", {}).decide(columns, Context()).reason.null_count == n
    with pytest.raises(UsageError, match="answers in 'fr'"):
        stage.make("ifd", {}).decide(columns.slice(200), Context())


def test_a_row_that_begins_with_bos_has_it_before_the_answer_alone_too(scorer: AnswerLoss) -> None:
    begins = scorer.tokenizer.bos_token_id
    assert begins is not None
    answer = scorer.answer(ROWS[0], 512)
    with_bos = Answer([begins, *answer.ids], answer.start + 1, answer.end + 1)
    expected = scorer.head if scorer.head[0] == begins else [begins, *scorer.head]
    assert scorer._head_of(with_bos) == expected
    assert scorer._head_of(Answer([begins + 5, *answer.ids], 1, 3)) == scorer.head
