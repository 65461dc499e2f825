"""`from-pairs`: sentence pairs to translation rows, many phrasings, solved examples from other pairs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen import recipe
from datagen.data.shards import read_all
from datagen.errors import DataError, UsageError
from datagen.pairs.phrasings import read
from datagen.runner import Result, execute

PAIRS = [{"en": f"Sentence number {n}.", "zh": f"第 {n} 句。", "th": f"ประโยคที่ {n}"} for n in range(20)]


def run_of(write_jsonl: Callable[..., Path], out: Path, records: Any = PAIRS, **options: Any) -> Result:
    path = write_jsonl("pairs.jsonl", *records)
    return execute(recipe.make([{"from_pairs": {"pairs": [str(path)], **options}}]), out)


def test_both_directions_in_many_phrasings(write_jsonl: Any, tmp_path: Path) -> None:
    kept = read_all(run_of(write_jsonl, tmp_path / "out", source="en", target="zh").folder / "kept").to_pylist()
    told = [json.loads(r["extra"]) for r in kept]
    assert [t["direction"] for t in told[:4]] == ["en-zh", "zh-en", "en-zh", "zh-en"] and len(kept) == 40
    assert [(r["output"], r["language"]) for r in kept[:2]] == [("第 0 句。", "zh"), ("Sentence number 0.", "en")]
    assert all(
        ("Sentence number" if t["direction"] == "en-zh" else "第") in r["instruction"] for t, r in zip(told, kept, strict=True)
    )
    assert len({t["phrasing"] for t in told}) > 10


def test_examples_are_other_pairs_and_the_answer_stands_nowhere_in_its_own_prompt(write_jsonl: Any, tmp_path: Path) -> None:
    records = [*PAIRS, {"en": "Twin.", "zh": "第 3 句。"}, {"en": "Sentence number 4.", "zh": "另一句。"}]
    result = run_of(write_jsonl, tmp_path / "out", records, source="en", target="zh", exemplars=4, phrasings=3)
    kept = read_all(result.folder / "kept").to_pylist()
    for row in kept:
        told = json.loads(row["extra"])
        assert len(told["examples"]) == len(set(told["examples"])) == 4 and row["parents"][0] not in told["examples"]
        assert row["output"].rstrip("。.") + "。" not in row["instruction"] or row["language"] == "en"
        assert row["instruction"].count("Sentence number") + row["instruction"].count("Twin.") >= 4
        lines = [line.strip() for line in row["instruction"].splitlines()]
        assert row["output"] not in lines


def test_a_run_is_the_same_twice_and_more_phrasings_hold_those_of_fewer(write_jsonl: Any, tmp_path: Path) -> None:
    def ids(out: str, **more: Any) -> list[str]:
        result = run_of(write_jsonl, tmp_path / out, source="en", target="th", **more)
        return list(read_all(result.folder / "kept").column("id").to_pylist())

    first = ids("a")
    assert ids("b") == first and ids("c", seed=18) != first
    assert set(first) < set(ids("d", phrasings=2))


def test_what_is_no_pair_is_a_ledger_row(write_jsonl: Any, tmp_path: Path) -> None:
    records = [*PAIRS[:3], {"en": "OK", "zh": "OK"}, {"en": " ", "zh": "空"}, {"en": "alone"}, "not json"]
    result = run_of(write_jsonl, tmp_path / "out", records, source="en", target="zh")
    dropped = read_all(result.folder / "dropped").to_pylist()
    assert [r["reason"] for r in dropped] == ["same_text", "empty_side", "unreadable", "unreadable"]


def test_half_a_character_costs_one_pair_and_few_pairs_are_all_used(write_jsonl: Any, tmp_path: Path) -> None:
    broken = '{"en": "lone \\ud800", "zh": "B"}'
    result = run_of(write_jsonl, tmp_path / "out", [*PAIRS[:5], broken], source="en", target="zh", exemplars=4)
    kept = read_all(result.folder / "kept").to_pylist()
    assert len(kept) == 10 and all(len(json.loads(r["extra"])["examples"]) == 4 for r in kept)
    assert [r["reason"] for r in read_all(result.folder / "dropped").to_pylist()] == ["unreadable"]


def test_own_templates_and_wrong_ones(write_jsonl: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.en.jinja").write_text("Into {{ target }}: {{ text }}\n---\n{{ source }}>{{ target }} {{ text }}\n")
    result = run_of(
        write_jsonl, tmp_path / "out", source="en", target="zh", directions="one", templates=[str(tmp_path / "mine.*.jinja")]
    )
    assert {r["instruction"].split(" Sent")[0] for r in read_all(result.folder / "kept").to_pylist()} == {
        "Into Chinese:",
        "English>Chinese",
    }
    (tmp_path / "bad.en.jinja").write_text("Into {{ target }}")
    with pytest.raises(UsageError, match=r"bad.en.jinja #1: the instruction does not show {{ text }}"):
        read([str(tmp_path / "bad.en.jinja")])
    (tmp_path / "bad.en.jinja").write_text("{{ text }} {{ sauce }}")
    with pytest.raises(UsageError, match="'sauce' is undefined; the values are text, source, target, examples"):
        read([str(tmp_path / "bad.en.jinja")])
    with pytest.raises(DataError, match="no such template"):
        read([str(tmp_path / "nowhere.jinja")])


def test_fields_that_no_record_has_are_named(write_jsonl: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no record has both 'en' and 'fr'; the fields are: en, zh, th"):
        run_of(write_jsonl, tmp_path / "out", source="en", target="fr")
    with pytest.raises(UsageError, match="there is no language 'eng'; did you mean 'en'"):
        run_of(write_jsonl, tmp_path / "out", source="eng", source_field="en", target="zh")
