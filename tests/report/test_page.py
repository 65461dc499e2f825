"""The report: counts that add up, rows beside their witnesses, and hostile rows that stay text."""

from __future__ import annotations

import json
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from datagen.report import charts, samples, texts
from datagen.report.page import write_report
from datagen.rows import LEDGER, ROW, Row, dropped_row, new_row, turn
from datagen.shards import ShardWriter, write_json

VOID = {"meta", "line", "polyline", "br"}


class Page(HTMLParser):
    """What a browser sees: every tag and attribute, the text outside <style>, and that all tags close."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.articles: list[str] = []
        self.marks: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(self.source)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(k, v or "") for k, v in attrs]
        if tag not in VOID:
            self._open.append(tag)
        if tag == "article":
            self.articles.append("")
        if tag == "mark":
            self.marks.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.text += data
        if "article" in self._open:
            self.articles[-1] += data
        if "mark" in self._open:
            self.marks[-1] += data


def folder(out: Path, kept: list[Row], dropped: list[Row]) -> dict[str, Any]:
    """Write a run folder and return its run.json."""
    out.mkdir(parents=True, exist_ok=True)
    for name, schema, rows in (("kept", ROW, kept), ("dropped", LEDGER, dropped)):
        with ShardWriter(out / name, schema) as writer:
            for row in rows:
                writer.add(row)
    stages: list[dict[str, Any]] = []
    alive = rows_in = len(kept) + len(dropped)
    for name in dict.fromkeys(["input", *(row["stage"] for row in dropped)]):
        reasons = [row["reason"] for row in dropped if row["stage"] == name]
        counts = {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}
        stage = {"name": name, "options": {"threshold": 0.7}, "rows_in": alive, "dropped": counts, "seconds": 0.5}
        alive -= len(reasons)
        stages.append({**stage, "rows_kept": alive})
    counts = {"rows_in": rows_in, "rows_kept": len(kept), "rows_dropped": len(dropped)}
    return {"datagen": "0.1.0", **counts, "seconds": 3.25, "stages": stages}


def row(instruction: str, output: str = "Yes.", **more: Any) -> Row:
    return new_row(instruction=instruction, output=output, **{"source": "a.jsonl", "language": "en", **more})


def near(dropped: Row, witness: Row, stage: str = "minhash") -> Row:
    return dropped_row(dropped, stage, "near_duplicate", score=0.83, threshold=0.7, witness_id=witness["id"])


def report(out: Path, kept: list[Row], dropped: list[Row]) -> Page:
    return Page(write_report(out, folder(out, kept, dropped)))


def test_says_that_the_counts_add_up(tmp_path: Path) -> None:
    kept = [row(f"Task {i}") for i in range(3)]
    page = report(tmp_path / "demo", kept, [near(row("Task zero"), kept[0])])
    assert "4 rows in = 3 kept + 1 dropped" in page.text
    assert "do not add up" not in page.text
    assert "near_duplicate 1" in page.text
    assert "datagen 0.1.0" in page.text
    assert page.tags.count("h1") == 1


def test_warns_loudly_when_they_do_not(tmp_path: Path) -> None:
    summary = folder(tmp_path, [row("a")], [dropped_row(row("b"), "rules", "empty_answer")])
    summary["rows_in"] = 5
    summary["stages"][1]["dropped"] = {"empty_answer": 3}
    page = Page(write_report(tmp_path, summary))
    assert "The counts do not add up." in page.text
    assert "5 rows came in, but 1 kept and 1 dropped are 2" in page.text
    assert "rules counted 3 rows dropped as empty_answer, but dropped/ holds 1" in page.text


def test_a_witness_is_beside_its_row_and_what_differs_is_marked(tmp_path: Path) -> None:
    kept = row("Name three rivers in France.", "Seine, Loire, Rhône.")
    page = report(tmp_path, [kept], [near(row("Name three cities in France.", "Seine, Loire, Rhône."), kept)])
    beside = page.articles[0]
    assert kept["id"] in beside
    assert "a row that was kept" in beside
    assert "score 0.83 ≥ threshold 0.7" in beside
    assert beside.count("Seine, Loire, Rhône.") == 1  # the same in both, shown once
    assert page.marks[1:] == ["cities", "rivers"]  # the first explains what a mark is


def test_an_exact_duplicate_is_not_shown_twice(tmp_path: Path) -> None:
    kept = row("What is copper?")
    page = report(tmp_path, [kept], [dropped_row(kept, "input", "exact_duplicate", witness_id=kept["id"])])
    assert "Same conversation as a row that was kept." in page.articles[0]
    assert page.articles[0].count("What is copper?") == 1


def test_a_witness_that_was_dropped_later_says_so(tmp_path: Path) -> None:
    witness = row("What is tin?")
    copy = dropped_row(witness, "input", "exact_duplicate", witness_id=witness["id"])
    later = dropped_row(witness, "balance", "over_quota", score=9.0, threshold=4.0)
    page = report(tmp_path, [row("Other")], [copy, near(row("What is tin??"), witness), later])
    assert "kept here and dropped later, by balance as over_quota" in page.articles[0]
    assert "a row that was itself dropped later, by balance as over_quota" in page.articles[1]
    assert "score 9 ≥ threshold 4" in page.articles[2]


def test_a_witness_of_another_set_is_named(tmp_path: Path) -> None:
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
def test_hostile_rows_stay_text(tmp_path: Path, text: str) -> None:
    kept = row(text + "1", text, source=text, language=text, system=text)
    turns = [turn(text, text), turn("assistant", text, tool_calls=text)]
    chat = row(text, text, messages=turns, tools=text, extra=text)
    bad = dropped_row(row(text + "2", text, source=text), text, text, evidence=text, witness_id=kept["id"], score=1.0)
    summary = folder(tmp_path, [kept, chat], [bad, dropped_row(new_row(extra=json.dumps({"raw": text})), text, "b")])
    summary["stages"][0]["options"] = {text: [text]}
    source = {"rows": 2, "held_out": 0, "share": 1.0, "taken": 2, "epochs": 1.0}
    write_json(tmp_path / "mix.json", {"sources": {text: source}})
    calm = Page(write_report(tmp_path / "calm", folder(tmp_path / "calm", [row("a")], [])))
    page = Page(write_report(tmp_path, summary))
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


def test_no_address_in_any_attribute(tmp_path: Path) -> None:
    page = report(tmp_path, [row("See https://example.org and http://example.org")], [])
    assert not [v for _, v in page.attributes if "http://" in v or "https://" in v]
    assert "https://example.org" in page.text
    assert "url(" not in page.source
    assert "@import" not in page.source


def test_an_empty_run(tmp_path: Path) -> None:
    page = report(tmp_path, [], [])
    assert "0 rows in = 0 kept + 0 dropped" in page.text
    assert "No row was dropped." in page.text
    assert "No row was kept." in page.text
    assert "Mixture" not in page.text
    assert "Training" not in page.text


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    kept = [row(f"Task {i}", source=f"s{i % 3}") for i in range(40)]
    summary = folder(tmp_path, kept, [near(row(f"Task {i}!"), kept[i]) for i in range(20)])
    first = write_report(tmp_path, summary).read_bytes()
    assert write_report(tmp_path, summary).read_bytes() == first
    assert not list(tmp_path.glob(".*"))


def test_a_folder_name_that_is_not_utf8(tmp_path: Path) -> None:
    out = tmp_path / "r\udcff<b>"
    try:
        out.mkdir()
    except OSError:
        pytest.skip("this file system has only UTF-8 names")
    assert "r\\udcff<b>" in report(out, [row("a")], []).text


def test_an_empty_answer_is_seen(tmp_path: Path) -> None:
    empty, blank = (dropped_row(row("Say it.", out), "rules", "empty_answer") for out in ("", " \n"))
    page = report(tmp_path, [], [empty, blank])
    assert "empty" in page.articles[0].split("output")[1]
    assert "only blanks" in page.articles[1].split("output")[1]


def test_an_unreadable_line_shows_what_it_held(tmp_path: Path) -> None:
    bad = {**new_row(extra=json.dumps({"raw": '{"instruction": '})), "id": "ab" * 16}
    page = report(tmp_path, [], [dropped_row(bad, "input", "unreadable", evidence="tasks.jsonl: line 7")])
    assert '{"instruction": ' in page.articles[0]
    assert "tasks.jsonl: line 7" in page.articles[0]


def test_a_conversation_is_shown_turn_by_turn(tmp_path: Path) -> None:
    turns = [turn("user" if i % 2 == 0 else "assistant", f"turn {i}") for i in range(10)]
    page = report(tmp_path, [row("turn 8", "turn 9", messages=turns)], [])
    assert [i for i in range(10) if f"turn {i}" in page.articles[0]] == [0, 1, 2, 7, 8, 9]
    assert "4 turns are not shown" in page.articles[0]


def test_kept_rows_are_counted_by_source_and_language(tmp_path: Path) -> None:
    kept = [row(f"q{i}", "x" * (i + 1), source="wiki" if i < 7 else "", language="th" if i < 3 else "en") for i in range(10)]
    page = report(tmp_path, kept, [])
    assert "Half of the answers have at most 5 characters, nine in ten at most 9." in page.text
    assert "wiki770 %47" in page.text  # rows, share, median, p90
    assert "not given330 %910" in page.text
    assert "th330 %23" in page.text
    assert len(page.articles) == 8


def test_sixty_thousand_dropped_rows_are_quick_and_the_page_is_small(tmp_path: Path) -> None:
    kept = [row(f"Task {i} of many", f"Answer {i} " * 20) for i in range(2000)]
    kinds = [(stage, reason) for stage in ("rules", "minhash", "rouge") for reason in ("r1", "r2", "r3", "r4")]
    dropped = [
        dropped_row(row(f"Task {i}", f"Answer {i} " * 30), *kinds[i // 5000], witness_id=kept[i % 2000]["id"])
        for i in range(60_000)
    ]
    summary = folder(tmp_path, kept, dropped)
    write_report(tmp_path, summary)
    started = time.process_time()
    path = write_report(tmp_path, summary)
    assert time.process_time() - started < 3  # seconds of the processor; about 0.4 on a quiet machine
    assert path.stat().st_size < 1_000_000


def test_samples_are_spread_evenly() -> None:
    assert samples.evenly(0, 5) == []
    assert samples.evenly(3, 5) == [0, 1, 2]
    assert samples.evenly(100, 5) == [10, 30, 50, 70, 90]


def test_many_reasons_share_the_room(tmp_path: Path) -> None:
    folder(tmp_path, [], [dropped_row(row(f"{i}"), "mine", f"reason{i % 60:02d}") for i in range(600)])
    found = samples.groups(tmp_path / "dropped")
    assert [g.count for g in found] == [10] * 60
    assert sum(len(g.shown) for g in found) == samples.ALL_SAMPLES
    page = Page(write_report(tmp_path, folder(tmp_path, [], [dropped_row(row("x"), "a", f"r{i}") for i in range(60)])))
    assert "there are many reasons" in page.text


@pytest.mark.parametrize(
    ("a", "b", "left", "right"),
    [
        ("the red house", "the blue house", ["red"], ["blue"]),
        ("3 + 5 = 8", "3 - 5 = 8", ["+"], ["-"]),
        ("法国的首都是哪里", "德国的首都是哪里", ["法"], ["德"]),
        ("อยู่ที่นี้ครับ", "อยู่ที่นี่ครับ", ["นี้"], ["นี่"]),
        ("one two three four five", "one x y four five", ["two three"], ["x y"]),
        ("one  two", "one two", ["  "], [" "]),
        ("one  two three", "one two four", ["three"], ["four"]),
        ("alpha beta", "gamma delta", [], []),  # nothing in common: marks would say nothing
    ],
)
def test_what_differs(a: str, b: str, left: list[str], right: list[str]) -> None:
    ours, theirs = texts.compare(a, b)
    assert ours is not None
    assert theirs is not None
    assert [t for t, marked in ours if marked] == left
    assert [t for t, marked in theirs if marked] == right
    assert "".join(t for t, _ in ours) == a
    assert "".join(t for t, _ in theirs) == b


def test_a_difference_far_into_long_texts_is_shown() -> None:
    ours, _ = texts.compare("same " * 1000 + "here", "same " * 1000 + "there")
    assert ours is not None
    assert ("here", True) in ours
    assert ours[0][0].startswith("…")
    assert sum(len(t) for t, _ in ours) <= texts.LIMIT + 2


def test_a_cut_never_parts_a_mark_from_its_letter() -> None:
    assert texts.cut("กี่" * 10, limit=8) == "กี่กี่…"
    assert texts.cut("กี่กี่", start=4) == "…กี่"
    assert texts.cut("short") == "short"


def trained(out: Path, lines: str, **told: Any) -> Page:
    summary = folder(out, [row("a")], [])
    (out / "metrics.jsonl").write_text(lines, encoding="utf-8")
    if told:
        stage = {**summary["stages"][0], "name": "train", "options": {"model": "smollm2"}, "training": told}
        summary["stages"].append(stage)
    return Page(write_report(out, summary))


def test_training(tmp_path: Path) -> None:
    lines = "".join(json.dumps({"step": i + 1, "loss": 3 - i / 50, "lr": 1e-4}) + "\n" for i in range(50))
    told = {
        "steps": 50, "rows": 40, "tokens": 9000, "label_tokens": 4000, "first_loss": 2.96, "last_loss": 2.06,
        "dtype": "float32", "eval_before": {"loss": 3.0, "by_source": {"a": 2.5, "b": 3.5}, "tokens": 9},
        "eval_after": {"loss": 2.0, "by_source": {"a": 1.75, "b": 2.25}, "tokens": 9}, "adapter": "adapter",
    }  # fmt: skip
    page = trained(tmp_path / "demo", lines, **told)
    assert page.tags.count("svg") == 2  # one for wide and one for narrow screens
    assert "loss, nats per token" in page.text
    assert "all sources3.00002.0000−1.0000" in page.text
    assert "b3.50002.2500−1.2500" in page.text
    assert 'peft.AutoPeftModelForCausalLM.from_pretrained("demo/adapter")' in page.text
    whole = trained(tmp_path / "whole", lines, **{**told, "adapter": "model", "eval_before": None, "eval_after": None})
    assert 'transformers.AutoModelForCausalLM.from_pretrained("whole/model")' in whole.text
    assert "No evaluation rows were given" in whole.text


@pytest.mark.parametrize("lines", ["", "not json\n", '{"step": 1, "loss": NaN}\n[]\n', '{"step": 1, "loss": 2.5}\n'])
def test_odd_metrics(tmp_path: Path, lines: str) -> None:
    page = trained(tmp_path, lines)
    assert ("of metrics.jsonl held no finite loss" in page.text) == ("not json" in lines or "NaN" in lines)
    assert "1 rows in" in page.text


def test_the_curve_keeps_spikes_and_stays_inside_its_box() -> None:
    losses = [(float(i), 2.0) for i in range(10_000)]
    losses[4321] = (4321.0, 9.0)
    box = charts.curve(losses, 400, 280)
    points = [tuple(map(float, p.split(","))) for p in box["raw"].split()]
    assert len(points) <= charts.POINTS
    assert min(y for _, y in points) < 100  # the spike, near the top
    assert all(box["left"] <= x <= box["right"] and box["top"] <= y <= box["bottom"] for x, y in points)
    assert charts.first_and_last(losses[:20]) == (2.0, 2.0)


def test_the_mixture_and_its_noise_in_words(tmp_path: Path) -> None:
    summary = folder(tmp_path, [row("a")], [])
    summary["stages"][0]["requests"] = {"sent": 12, "recorded": 30}
    sources = {n: {"rows": 100, "held_out": 10, "share": 0.5, "taken": 90, "epochs": 1.0} for n in ("seeds", "docs")}

    def run(name: str, loss: float) -> dict[str, Any]:
        return {"name": name, "weights": {"seeds": 0.5, "docs": 0.5}, "loss": loss, "by_source": {"seeds": loss, "docs": loss}}

    def noise(losses: list[float], second: float) -> str:
        ranked = [run(f"m{i}", loss) for i, loss in enumerate(losses)]
        grid = {"ranked": ranked, "best_second_seed": run("m0", second), "noise": round(abs(second - losses[0]), 5)}
        write_json(tmp_path / "mix.json", {"sources": sources, "grid": grid})
        return Page(write_report(tmp_path, summary)).text

    text = noise([2.0, 2.001, 2.5], 2.01)
    assert "differ by 0.01. The second-ranked is 0.001 behind the best: within the noise." in text
    assert "12 requests sent, 30 answers recorded" in text
    assert "seeds1001050 %901" in text
    assert "0.2 behind the best: more than the noise." in noise([2.0, 2.2], 2.01)
    assert "and so are 1 more" in noise([2.0, 2.001, 2.002], 2.01)
    assert "The second-ranked" not in noise([2.0], 2.01)
