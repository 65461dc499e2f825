"""Every stage on hostile Unicode: no row breaks it, none is lost, and the cut into batches changes nothing.

NFC beside NFD, joiners, right to left, marks without a base, control and private characters, emoji, digits of every script.
Lone surrogates never reach a stage: reading makes them ledger rows, which is tested here too.
"""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_model import TINY

import datagen as dg
from datagen import stage
from datagen.data.rows import Row, new_row, table_of, turn
from datagen.stage import Context
from datagen.text.tokens import tokens

BENCHMARK = Path(__file__).parent / "support" / "benchmark_items.jsonl"
OPTIONS = {"clean": {"do": "unicode,html,emoji,pii"}, "decontaminate": {"against": str(BENCHMARK)}}
MODELS = {
    "semantic": {"dtype": "float32"}, "ifd": {"model": str(TINY), "dtype": "float32", "max_length": 512},
    "judge": {"model": str(TINY)},
}  # fmt: skip
NAMES = [n for n in stage.names() if n not in MODELS]
SAMPLES = [
    "e\u0301te\u0301", "\u00e9t\u00e9", "\ud55c\uae00", "\u1112\u1161\u11ab", "नमस्\u200dते",
    "👩\u200d👩\u200d👧\u200d👦", "🏳️\u200d🌈", "1️⃣", "🇹🇭", "\u202eabc\u202c",
    "שלום עולם", "مرحبا بالعالم", "ที่นี่", "ที่นี้", "กำ",
    "กํา", "\u0e48\u0e49", "\u0301\u0300\u0316", "\u200b\u2060\ufeff\u00ad", "\x00\x07\x1b[31m",
    "\ue000\U000f0000", "\ufffd\ufffe", "ΐ", "ẞß", "İi̇", "ﬁ ﬀ", "①②", "٣٤٥", "๑๒๓",
    "〇一二", "Ｃ＋＋", "ﷺ", "𝔘𝔫𝔦", "a\u0300" * 40, "```\ncode 👍\n```",
    "| a | b |\n|---|---|", "$x^2$", "<b>x</b><script>1</script>",
    "a@b.co +66 2 123 4567 4111 1111 1111 1111", "", " ", "\n\n",
]  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(SAMPLES),
    st.lists(st.sampled_from(SAMPLES), max_size=6).map(" ".join),
    st.text(max_size=60),
    st.text(max_size=30).map(lambda t: unicodedata.normalize("NFD", t)),
)


@st.composite
def a_row(draw: st.DrawFn) -> Row:
    task, answer = draw(TEXTS), draw(TEXTS)
    more = {"input": draw(TEXTS), "system": draw(TEXTS), "language": draw(st.sampled_from(["", "en", "zh", "th", "\u202e"]))}
    if draw(st.booleans()):
        return new_row(instruction=task, output=answer, tags=draw(st.none() | st.lists(TEXTS, max_size=3)), **more)
    turns = [turn("user", task), turn("assistant", draw(TEXTS)), turn("user", draw(TEXTS)), turn("assistant", answer)]
    return new_row(instruction=task, output=answer, messages=turns, **more)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(rows=st.lists(a_row(), min_size=1, max_size=8), cut=st.integers(0, 8))
def test_no_row_breaks_a_stage_and_no_cut_changes_it(name: str, rows: list[Row], cut: int) -> None:
    made, table = stage.make(name, OPTIONS.get(name, {})), table_of(rows)
    if made.rewrites:
        whole = made.rewrite(table)
        parts = [made.rewrite(part) for part in (table.slice(0, cut), table.slice(cut)) if len(part)]
        assert len(whole) == len(rows)
        assert pa.concat_tables(parts, promote_options="default").to_pylist() == whole.to_pylist()
        return
    scores = stage.scored(made, table, Context())
    assert scores.column(stage.ERROR).to_pylist() == [None] * len(rows)
    halves = [stage.scored(made, part, Context()) for part in (table.slice(0, cut), table.slice(cut)) if len(part)]
    assert pa.concat_tables(halves, promote_options="default").to_pylist() == scores.to_pylist()
    alive = np.ones(len(rows), bool)
    told = stage.apply(made, scores, alive, Context())
    assert len(told.dropped) + int(alive.sum()) == len(rows)
    assert {*told.dropped.column("reason").to_pylist()} <= made.reasons
    for values in told.columns.values():
        assert len(values) == len(rows)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(MODELS))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(rows=st.lists(a_row(), min_size=2, max_size=6), cut=st.integers(1, 5))
def test_no_row_breaks_a_stage_with_a_model(name: str, rows: list[Row], cut: int) -> None:
    made, table = stage.make(name, MODELS[name]), table_of(rows)
    scores = stage.scored(made, table, Context())
    assert scores.column(stage.ERROR).to_pylist() == [None] * len(rows)
    halves = [stage.scored(made, part, Context()) for part in (table.slice(0, cut), table.slice(cut)) if len(part)]
    parts = pa.concat_tables(halves, promote_options="default")
    for column in scores.column_names:
        one, other = scores.column(column).to_pylist(), parts.column(column).to_pylist()
        for a, b in zip(one, other, strict=True):
            # Rows beside a row change the last digits of a sum, never more.
            assert a == b or a == pytest.approx(b, abs=1e-4), column


@pytest.mark.parametrize("name", ["minhash", "rouge"])
@given(text=st.text(min_size=1, max_size=80).filter(lambda t: len(tokens(t)) > 0))  # else there is nothing to compare
def test_normal_forms_of_one_text_are_one_text(name: str, text: str) -> None:
    forms = [new_row(instruction=unicodedata.normalize(form, text), output="same") for form in ("NFC", "NFD")]
    made = stage.make(name, {"same_answer": None, "same_facts": False})
    alive = np.ones(2, bool)
    stage.apply(made, stage.scored(made, table_of(forms), Context()), alive, Context())
    assert alive.tolist() == [True, False]


def test_lone_surrogates_are_ledger_rows_before_any_stage_sees_them(tmp_path: Path) -> None:
    good = {"instruction": "Say yes.", "output": "yes"}
    lines = [json.dumps(good), '{"instruction": "a \\ud800 b", "output": "x"}', '{"instruction": "c", "output": "\\udfff"}']
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    run = dg.filter(tmp_path / "rows.jsonl", ["rules", "minhash", "rouge"], out=tmp_path / "out", allow_wipeout=True)
    assert run.kept.num_rows == 1
    assert run.dropped.column("reason").to_pylist() == ["unreadable"] * 2
