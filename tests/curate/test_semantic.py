"""`semantic` on the real small embedder: equal to brute force, and never a score for what the model cannot read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from datagen import recipe, stage
from datagen.data.rows import ROW, Row, new_row
from datagen.data.shards import ShardWriter, read_all
from datagen.errors import DataError, UsageError
from datagen.models import embed
from datagen.runner import execute
from datagen.similarity import cosine

TEXTS = [
    "How do I bake bread at home?",
    "What is the best way to bake bread in my own kitchen?",
    "Name the planets of the solar system.",
    "Write a poem about the sea.",
    "Explain how a bicycle stays upright.",
    "List the planets in our solar system.",
]


def unit(values: Any) -> Any:
    vectors = np.asarray(values, np.float32)
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


VECTORS = st_numpy.arrays(np.float32, st.tuples(st.integers(1, 30), st.just(4)), elements=st.integers(-3, 3)).map(unit)


@given(VECTORS, st.sampled_from([0.5, 0.8, 0.95, 1.0]), st.integers(0, 3))
def test_the_greedy_search_is_that_of_brute_force(vectors: Any, threshold: float, pinned: int) -> None:
    witness, score = cosine.greedy(vectors, threshold, pinned)
    exact = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    kept: list[int] = []
    for i in range(len(vectors)):
        near = [(exact[i, j], -j) for j in kept if exact[i, j] >= threshold]
        if i < pinned or not near:
            assert witness[i] == -1
            kept.append(i)
        else:
            assert score[i] == pytest.approx(max(near)[0])
            assert exact[i, witness[i]] >= threshold
            assert witness[i] in kept


@given(VECTORS, VECTORS)
def test_the_highest_cosine_with_a_target_is_that_of_brute_force(vectors: Any, targets: Any) -> None:
    score, found = cosine.highest(vectors, targets)
    exact = vectors.astype(np.float64) @ targets.astype(np.float64).T
    assert score == pytest.approx(exact.max(axis=1))
    assert exact[np.arange(len(vectors)), found] == pytest.approx(score)


@settings(max_examples=30)
@given(VECTORS)
def test_a_smaller_subset_is_a_prefix_and_each_row_is_the_farthest(vectors: Any) -> None:
    order = cosine.k_centre(vectors, len(vectors)).tolist()
    assert sorted(order) == list(range(len(vectors)))
    assert cosine.k_centre(vectors, 3).tolist() == order[:3]
    exact = vectors.astype(np.float64) @ vectors.astype(np.float64).T
    for k in range(1, len(order)):
        nearest = exact[:, order[:k]].max(axis=1)
        left = [i for i in range(len(vectors)) if i not in order[:k]]
        assert nearest[order[k]] == pytest.approx(min(nearest[left]), abs=1e-6)


def run(tmp_path: Path, rows: list[Row], **options: Any) -> tuple[Any, Any]:
    with ShardWriter(tmp_path / "in", ROW) as writer:
        for row in rows:
            writer.add(row)
    done = execute(recipe.make([{"semantic": options}], input=(str(tmp_path / "in"),)), tmp_path / "out")
    return read_all(done.folder / "kept").to_pylist(), read_all(done.folder / "dropped").to_pylist()


def test_vectors_equal_those_of_plain_sentence_transformers() -> None:
    embedder = embed.load(dtype="float32")
    ours, unknown, _ = embedder.encode([*TEXTS, ""])
    plain = embedder.network.encode([*TEXTS, ""], normalize_embeddings=True, show_progress_bar=False)
    assert np.abs(ours - plain).max() < 1e-5
    assert unknown.tolist() == [0.0] * 7


def test_near_duplicates_go_by_meaning_and_name_the_row_that_stays(tmp_path: Path) -> None:
    rows = [new_row(instruction=t, output="ok") for t in TEXTS]
    kept, dropped = run(tmp_path, rows, field="instruction", threshold=0.8)
    assert [r["instruction"] for r in kept] == [TEXTS[i] for i in (0, 2, 3, 4)]
    assert [(d["reason"], d["witness_id"]) for d in dropped] == [
        ("semantic_duplicate", rows[0]["id"]), ("semantic_duplicate", rows[2]["id"]),
    ]  # fmt: skip


def test_top_k_keeps_the_pairs_that_say_the_same(tmp_path: Path) -> None:
    pairs = [(TEXTS[0], TEXTS[1]), (TEXTS[2], TEXTS[3]), (TEXTS[2], TEXTS[5]), (TEXTS[4], TEXTS[3])]
    kept, dropped = run(tmp_path, [new_row(instruction=a, output=b) for a, b in pairs], mode="top_k", keep=0.5)
    assert [(r["instruction"], r["output"]) for r in kept] == [pairs[0], pairs[2]]
    assert all(r["input_output_cosine"] > 0.8 for r in kept)
    assert {d["reason"] for d in dropped} == {"not_similar_enough"}
    assert all(d["score"] < d["threshold"] for d in dropped)


def test_top_k_to_a_target_set_and_a_diverse_subset(tmp_path: Path, write_jsonl: Any) -> None:
    target = str(write_jsonl("target.jsonl", {"instruction": "Bread recipes", "output": "bread"}))
    rows = [new_row(instruction=t, output="ok") for t in TEXTS]
    kept, _ = run(tmp_path, rows, mode="top_k", against=target, size=2, field="instruction")
    assert {r["instruction"] for r in kept} == set(TEXTS[:2])
    kept, dropped = run(tmp_path, rows, mode="diverse", size=4, field="instruction")
    assert len(kept) == 4
    assert not {TEXTS[2], TEXTS[5]} <= {r["instruction"] for r in kept}
    assert {d["reason"] for d in dropped} == {"not_in_subset"}


def test_rows_that_the_model_cannot_read_end_the_run_and_name_a_model_that_can(tmp_path: Path) -> None:
    rows = [new_row(instruction=f"ช่วยอธิบายเรื่องควายให้ฟังหน่อย {i}", output="ได้ครับ") for i in range(3)]
    with pytest.raises(UsageError, match=r"does not know over 10% of the tokens of 3 of 3 rows; name one .*multilingual"):
        run(tmp_path, rows)


def test_a_changed_threshold_embeds_nothing_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [new_row(instruction=t, output="ok") for t in TEXTS]
    run(tmp_path, rows, field="instruction", threshold=0.8)
    monkeypatch.setattr(embed.Embedder, "encode", lambda *_: 1 / 0)
    kept, _ = run(tmp_path, rows, field="instruction", threshold=0.99)
    assert len(kept) == 6
    kept, _ = run(tmp_path, rows[:4], field="instruction", threshold=0.8)
    assert len(kept) == 3


def test_an_embedder_that_is_not_there_is_one_line() -> None:
    with pytest.raises(Exception, match="no such embedder"):
        stage.make("semantic", {"model": "./nowhere"}).identity()


def test_a_sample_is_scored_first_so_that_a_wrong_model_is_refused_at_once(tmp_path: Path) -> None:
    rows = [new_row(instruction=f"请解释一下这个词的意思：第{i}号", output="好的。") for i in range(1200)]
    with pytest.raises(UsageError, match="of the tokens of 64 of 64 rows"):
        run(tmp_path, rows)


def test_rows_longer_than_the_model_reads_are_counted(tmp_path: Path) -> None:
    rows = [new_row(instruction=t, output="word " * (600 if i == 2 else 3)) for i, t in enumerate(TEXTS)]
    with ShardWriter(tmp_path / "in", ROW) as writer:
        for row in rows:
            writer.add(row)
    done = execute(recipe.make([{"semantic": {}}], input=(str(tmp_path / "in"),)), tmp_path / "out")
    assert done.summary["stages"][1]["notes"] == {"rows_cut": 1}


def test_the_rows_of_files_are_embedded_once(tmp_path: Path, write_jsonl: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    against = str(write_jsonl("first.jsonl", {"instruction": TEXTS[1], "output": "ok"}))
    rows = [new_row(instruction=t, output="ok") for t in TEXTS]
    kept, _ = run(tmp_path, rows, field="instruction", threshold=0.8, against=against)
    assert TEXTS[0] not in {r["instruction"] for r in kept}
    monkeypatch.setattr(embed.Embedder, "encode", lambda *_: 1 / 0)
    kept, _ = run(tmp_path, rows, field="instruction", threshold=0.99, against=against)
    assert {r["instruction"] for r in kept} == set(TEXTS) - {TEXTS[1]}


def test_scores_are_found_again_when_the_stage_stands_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [new_row(instruction=t, output="ok") for t in TEXTS]
    run(tmp_path, rows)
    monkeypatch.setattr(embed.Embedder, "encode", lambda *_: 1 / 0)
    made = recipe.make([{"rules": {}}, {"semantic": {}}], input=(str(tmp_path / "in"),))
    assert execute(made, tmp_path / "out").summary["rows_kept"] == 6


def test_pairs_are_the_input_and_the_answer_whatever_the_task_says(tmp_path: Path) -> None:
    rows = [new_row(instruction="Say it in other words.", input=TEXTS[0], output=t) for t in (TEXTS[1], TEXTS[3])]
    kept, _ = run(tmp_path, rows, mode="top_k", size=1)
    assert [r["output"] for r in kept] == [TEXTS[1]]
    near = embed.load().encode([TEXTS[0], TEXTS[1]]).vectors
    assert kept[0]["input_output_cosine"] == pytest.approx(float(near[0] @ near[1]), abs=1e-2)


def test_a_sample_of_rows_that_all_break_the_model_is_no_sample_of_what_it_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embed.Embedder, "encode", lambda *_: 1 / 0)
    with pytest.raises(DataError, match=r"drops 300 of the 300 rows of source 'in' \(mostly error\)"):
        run(tmp_path, [new_row(instruction=f"Say {i}.", output="ok") for i in range(300)])
