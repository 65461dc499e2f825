"""The report: counts that add up, rows beside their witnesses, and hostile rows that stay text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from datagen.data.rows import Row, dropped_row, new_row, turn
from datagen.data.shards import write_json
from datagen.report import samples, texts
from datagen.report.page import write_report


def row(instruction: str, output: str = "Yes.", **more: Any) -> Row:
    return new_row(instruction=instruction, output=output, **{"source": "a.jsonl", "language": "en", **more})


def near(dropped: Row, witness: Row, stage: str = "minhash") -> Row:
    return dropped_row(dropped, stage, "near_duplicate", score=0.83, threshold=0.7, witness_id=witness["id"])


def test_says_that_the_counts_add_up(tmp_path: Path, report: Any) -> None:
    kept = [row(f"Task {i}") for i in range(3)]
    page = report(tmp_path / "demo", kept, [near(row("Task zero"), kept[0])])
    assert "4 rows in = 3 kept + 1 dropped" in page.text
    assert "do not add up" not in page.text
    assert "near_duplicate 1" in page.text
    assert "datagen 0.1.0" in page.text
    assert page.tags.count("h1") == 1


def test_warns_loudly_when_they_do_not(tmp_path: Path, folder: Any, page_of: Any) -> None:
    summary = folder(tmp_path, [row("a")], [dropped_row(row("b"), "rules", "empty_answer")])
    summary["rows_in"] = 5
    summary["stages"][1]["dropped"] = {"empty_answer": 3}
    page = page_of(write_report(tmp_path, summary))
    assert "The counts do not add up." in page.text
    assert "5 rows came in, but 1 kept and 1 dropped are 2" in page.text
    assert "rules counted 3 rows dropped as empty_answer, but dropped/ holds 1" in page.text


def test_a_witness_is_beside_its_row_and_what_differs_is_marked(tmp_path: Path, report: Any) -> None:
    kept = row("Name three rivers in France.", "Seine, Loire, Rhône.")
    page = report(tmp_path, [kept], [near(row("Name three cities in France.", "Seine, Loire, Rhône."), kept)])
    beside = page.articles[0]
    assert kept["id"] in beside
    assert "a row that was kept" in beside
    assert "score 0.83 ≥ threshold 0.7" in beside
    assert beside.count("Seine, Loire, Rhône.") == 1  # the same in both, shown once
    assert page.marks[1:] == ["cities", "rivers"]  # the first explains what a mark is


def test_an_exact_duplicate_is_not_shown_twice(tmp_path: Path, report: Any) -> None:
    kept = row("What is copper?")
    page = report(tmp_path, [kept], [dropped_row(kept, "input", "exact_duplicate", witness_id=kept["id"])])
    assert "Same conversation as a row that was kept." in page.articles[0]
    assert page.articles[0].count("What is copper?") == 1


def test_a_witness_that_was_dropped_later_says_so(tmp_path: Path, report: Any) -> None:
    witness = row("What is tin?")
    copy = dropped_row(witness, "input", "exact_duplicate", witness_id=witness["id"])
    later = dropped_row(witness, "balance", "over_quota", score=9.0, threshold=4.0)
    page = report(tmp_path, [row("Other")], [copy, near(row("What is tin??"), witness), later])
    assert "kept here and dropped later, by balance as over_quota" in page.articles[0]
    assert "a row that was itself dropped later, by balance as over_quota" in page.articles[1]
    assert "score 9 ≥ threshold 4" in page.articles[2]


def test_a_witness_of_another_set_is_named(tmp_path: Path, report: Any) -> None:
    page = report(tmp_path, [], [near(row("What is lead?"), row("What is Lead?"))])
    assert "is in neither kept/ nor dropped/" in page.articles[0]
    assert row("What is Lead?")["id"] in page.articles[0]


HOSTILE = [
    "<script>alert(1)</script>",
    "</style><script src='https://evil.example/x.js'></script>",
    "</textarea></title></svg></details><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }} {% for x in y %} {{ ''.__class__ }} {# gone #}",
    '" onmouseover="alert(1)" x="',
    "<!-- <![CDATA[ &lt; &#x3c;",
    "שלום \u202e evil \u2066 عربى",
    "\u0301\u0301\u0301 lone marks \u0e31\u0e31",
    "\x00\x1b[31m\x7f\x85",
    "x" * 5000,
    "ก" + "\u0e49" * 3000,
    "汉" * 3000,
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_rows_stay_text(tmp_path: Path, text: str, folder: Any, page_of: Any) -> None:
    kept = row(text + "1", text, source=text, language=text, system=text)
    turns = [turn(text, text), turn("assistant", text, tool_calls=text)]
    chat = row(text, text, messages=turns, tools=text, extra=text)
    bad = dropped_row(row(text + "2", text, source=text), text, text, evidence=text, witness_id=kept["id"], score=1.0)
    summary = folder(tmp_path, [kept, chat], [bad, dropped_row(new_row(extra=json.dumps({"raw": text})), text, "b")])
    summary["stages"][0]["options"] = {text: [text, "\udcff"]}  # a file name that is not UTF-8
    source = {"rows": 2, "held_out": 0, "share": 1.0, "taken": 2, "epochs": 1.0}
    write_json(tmp_path / "mix.json", {"sources": {text: source}})
    calm = page_of(write_report(tmp_path / "calm", folder(tmp_path / "calm", [row("a")], [])))
    page = page_of(write_report(tmp_path, summary))
    assert "<script" not in page.source
    assert page.source.count("</style>") == calm.source.count("</style>") == 1
    assert set(page.tags) <= {*calm.tags, "article", "code", "bdi", "b", "div", "mark", "h3", "table", "th", "td"}
    assert not [k for k, _ in page.attributes if k.startswith("on") or k in ("src", "action")]
    assert all(v.startswith("#") for k, v in page.attributes if k == "href")
    assert all(":" not in v or k in ("style", "content", "aria-label") for k, v in page.attributes)
    assert not set(page.source) & {"\u202e", "\u2066", "\x00", "\x1b", "\x7f", "\x85"}
    assert len(page.source.encode()) < 300_000
    shown = texts.cut(text)
    assert shown.replace("\r", "\n") in page.text


def test_no_address_in_any_attribute(tmp_path: Path, report: Any) -> None:
    page = report(tmp_path, [row("See https://example.org and http://example.org")], [])
    assert not [v for _, v in page.attributes if "http://" in v or "https://" in v]
    assert "https://example.org" in page.text
    assert "url(" not in page.source
    assert "@import" not in page.source


def test_an_empty_run(tmp_path: Path, report: Any) -> None:
    page = report(tmp_path, [], [])
    assert "0 rows in = 0 kept + 0 dropped" in page.text
    assert "No row was dropped." in page.text
    assert "No row was kept." in page.text
    assert "Mixture" not in page.text
    assert "Training" not in page.text


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path, folder: Any) -> None:
    kept = [row(f"Task {i}", source=f"s{i % 3}") for i in range(40)]
    summary = folder(tmp_path, kept, [near(row(f"Task {i}!"), kept[i]) for i in range(20)])
    first = write_report(tmp_path, summary).read_bytes()
    assert write_report(tmp_path, summary).read_bytes() == first
    assert not list(tmp_path.glob(".*"))


def test_an_empty_answer_is_seen(tmp_path: Path, report: Any) -> None:
    empty, blank = (dropped_row(row("Say it.", out), "rules", "empty_answer") for out in ("", " \n"))
    page = report(tmp_path, [], [empty, blank])
    assert "empty" in page.articles[0].split("output")[1]
    assert "only blanks" in page.articles[1].split("output")[1]


def test_an_unreadable_line_shows_what_it_held(tmp_path: Path, report: Any) -> None:
    bad = {**new_row(extra=json.dumps({"raw": '{"instruction": '})), "id": "ab" * 16}
    page = report(tmp_path, [], [dropped_row(bad, "input", "unreadable", evidence="tasks.jsonl: line 7")])
    assert '{"instruction": ' in page.articles[0]
    assert "tasks.jsonl: line 7" in page.articles[0]


def test_a_conversation_is_shown_turn_by_turn(tmp_path: Path, report: Any) -> None:
    turns = [turn("user" if i % 2 == 0 else "assistant", f"turn {i}") for i in range(10)]
    page = report(tmp_path, [row("turn 8", "turn 9", messages=turns)], [])
    assert [i for i in range(10) if f"turn {i}" in page.articles[0]] == [0, 1, 2, 7, 8, 9]
    assert "4 turns are not shown" in page.articles[0]


def test_kept_rows_are_counted_by_source_and_language(tmp_path: Path, report: Any) -> None:
    kept = [row(f"q{i}", "x" * (i + 1), source="wiki", language="th" if i < 3 else "en") for i in range(7)]
    kept += [row(f"q{i}", "x" * (i + 1), source="") for i in range(7, 10)]
    page = report(tmp_path, kept, [])
    assert "Half of the answers have at most 5 characters, nine in ten at most 9." in page.text
    assert "wiki770 %47" in page.text  # rows, share, median, p90
    assert "not given330 %910" in page.text
    assert "th330 %23" in page.text
    assert len(page.articles) == 8


def test_the_page_of_many_dropped_rows_is_small(tmp_path: Path, folder: Any) -> None:
    kept = [row(f"Task {i} of many", f"Answer {i} " * 20) for i in range(200)]
    kinds = [(stage, reason) for stage in ("rules", "minhash", "rouge") for reason in ("r1", "r2", "r3", "r4")]
    dropped = [
        dropped_row(row(f"Task {i}", f"Answer {i} " * 30), *kinds[i // 500], witness_id=kept[i % 200]["id"])
        for i in range(6_000)
    ]
    summary = folder(tmp_path, kept, dropped)
    assert write_report(tmp_path, summary).stat().st_size < 1_000_000


def test_samples_are_spread_evenly() -> None:
    assert samples.evenly(0, 5) == []
    assert samples.evenly(3, 5) == [0, 1, 2]
    assert samples.evenly(100, 5) == [10, 30, 50, 70, 90]


def test_many_reasons_share_the_room(tmp_path: Path, folder: Any, page_of: Any) -> None:
    folder(tmp_path, [], [dropped_row(row(f"{i}"), "mine", f"reason{i % 60:02d}") for i in range(600)])
    found = samples.groups(tmp_path / "dropped")
    assert [g.count for g in found] == [10] * 60
    assert sum(len(g.shown) for g in found) == samples.ALL_SAMPLES
    summary = folder(tmp_path, [], [dropped_row(row("x"), "a", f"r{i}") for i in range(60)])
    page = page_of(write_report(tmp_path, summary))
    assert "there are many reasons" in page.text


def test_a_reason_leads_to_what_it_means_and_how_such_rows_stay(tmp_path: Path, report: Any) -> None:
    kept = row("Name a river.")
    lost = [near(row("Name a river!"), kept), dropped_row(row("x", ""), "rules", "empty_answer")]
    page = report(tmp_path, [kept], [*lost, dropped_row(row("y"), "my.stage", "of_mine")])
    last = page.text.split("What the reasons of this run mean")[1]
    assert "near_duplicateThe row shares most of its shingles with a row that stayed" in last
    assert "After rules: Leave empty_answer out of use." in last
    assert "of_mine" not in last  # a stage of one's own says itself what it means
    assert "too_similar" not in last  # nothing that did not occur
    assert page.attributes.count(("href", "#reason-near_duplicate")) == 2  # in the flow, and where its rows stand
    assert ("id", "reason-near_duplicate") in page.attributes
    assert ("id", "reason-of_mine") not in page.attributes


def test_no_reasons_without_a_drop(tmp_path: Path, report: Any) -> None:
    page = report(tmp_path, [row("a")], [])
    assert ("href", "#reasons") not in page.attributes
    assert ("id", "reasons") not in page.attributes
