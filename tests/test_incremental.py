"""New rows beside an earlier run equal the whole done at once; the wipe-out guard; old runs decided again; comparisons."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import datagen as dg
from datagen.data.shards import read_all, read_json
from datagen.errors import DataError, UsageError
from datagen.report import compare

STORY = "Once upon a time a small fox lived beside a quiet river and every morning it walked to the old mill to look for bread."


def record(n: int, text: str = STORY) -> dict[str, str]:
    return {"instruction": f"Tell story number {chr(97 + n % 26)}{n // 26} of the fox.", "output": text}


def records(start: int, stop: int) -> list[dict[str, str]]:
    """Rows of which every third repeats an earlier one in other words, and some are broken, equal or contaminated."""
    rows = []
    for n in range(start, stop):
        rows.append({"instruction": f"Explain topic {n * 7919}: what is it?", "output": f"It is thing {n * 104729}."})
        if n % 3 == 0:
            rows.append(
                {"instruction": "Continue the tale, please" + "!" * (n % 2), "output": STORY + f" {'Then it slept. ' * 4}"}
            )
        if n % 7 == 0:
            rows.append({"instruction": f"Please tell me {n}: {LEAK}", "output": "I do not know."})
        if n % 5 == 0:
            rows.append({"instruction": f"schÃ¶n {n % 10}", "output": "" if n % 2 else "gut"})
    return rows


LEAK = "What is the name of the longest river that flows through the western half of the country?"


def fates(folder: Path) -> dict[str, Any]:
    kept = {r["id"]: ("kept", None) for r in read_all(folder / "kept").to_pylist()}
    dropped = [(r["id"], r["reason"], r["witness_id"]) for r in read_all(folder / "dropped").to_pylist()]
    return {"kept": sorted(kept), "dropped": sorted(dropped, key=str)}


def test_new_rows_beside_an_earlier_run_equal_the_whole_done_at_once(tmp_path: Path, write_jsonl: Any) -> None:
    benchmark = write_jsonl("benchmark.jsonl", {"question": LEAK}, {"question": "Which planet is the largest of all of them?"})
    stages: list[Any] = [
        {"clean": {"do": "unicode"}}, "rules", "minhash", {"decontaminate": {"against": str(benchmark)}},
        {"rouge": {"same_answer": None}},
    ]  # fmt: skip
    one, two, three = (write_jsonl(f"{n}.jsonl", *records(a, b)) for n, a, b in (("1", 0, 20), ("2", 12, 30), ("3", 25, 40)))
    dg.filter([one, two, three], stages, out=tmp_path / "whole", allow_wipeout=True)
    dg.filter(one, stages, out=tmp_path / "a", allow_wipeout=True)
    dg.filter(two, stages, out=tmp_path / "b", against=tmp_path / "a", allow_wipeout=True)
    dg.filter(three, stages, out=tmp_path / "c", against=tmp_path / "b", allow_wipeout=True)
    whole, parts = fates(tmp_path / "whole"), [fates(tmp_path / n) for n in "abc"]
    assert sorted(i for p in parts for i in p["kept"]) == whole["kept"]
    assert sorted((d for p in parts for d in p["dropped"]), key=str) == whole["dropped"]
    assert {reason for _, reason, _ in whole["dropped"]} >= {
        "exact_duplicate",
        "empty_answer",
        "near_duplicate",
        "contaminated",
    }


def test_a_run_whose_own_earlier_run_has_changed_is_noticed(tmp_path: Path, write_jsonl: Any) -> None:
    one, two, three = (write_jsonl(f"{n}.jsonl", record(n, f"{STORY} {n * 7919}")) for n in range(3))
    dg.filter(one, ["rules"], out=tmp_path / "a")
    dg.filter(two, ["rules"], out=tmp_path / "b", against=tmp_path / "a")
    dg.filter([one, three], ["rules"], out=tmp_path / "a")
    with pytest.raises(DataError, match=r"b: it was judged against .*a, which has changed since; run its command again"):
        dg.filter(three, ["rules"], out=tmp_path / "c", against=tmp_path / "b")


def test_a_run_is_not_judged_against_itself_by_a_detour(tmp_path: Path, write_jsonl: Any) -> None:
    one, two = (write_jsonl(f"{n}.jsonl", *records(a, b)) for n, a, b in (("1", 0, 9), ("2", 9, 18)))
    dg.filter(one, ["rules"], out=tmp_path / "a")
    dg.filter(two, ["rules"], out=tmp_path / "b", against=tmp_path / "a")
    with pytest.raises(UsageError, match="is itself what the rows would be judged against"):
        dg.filter(one, ["rules"], out=tmp_path / "a", against=tmp_path / "b")
    assert dg.api.opened(tmp_path / "a").kept.num_rows > 0


def test_a_run_that_the_guard_stops_leaves_the_result_that_stood_there(tmp_path: Path, write_jsonl: Any) -> None:
    rows = write_jsonl("in.jsonl", *({"instruction": f"Name {n}", "output": f"It is {n * 7919}."} for n in range(120)))
    more = write_jsonl("more.jsonl", {"instruction": "Say a word.", "output": "Tree."})
    before = dg.filter(rows, ["rules", "minhash"], out=tmp_path / "out").summary
    with pytest.raises(DataError, match="nothing was dropped"):
        dg.filter(rows, ["rules", {"minhash": {"same_answer": None, "ngram": 1, "threshold": 0.1}}], out=tmp_path / "out")
    assert read_json(tmp_path / "out" / "run.json") == before
    with pytest.raises(DataError, match="another command has begun to change its step 02-minhash"):
        dg.filter(more, ["rules", "minhash"], out=tmp_path / "new", against=tmp_path / "out")
    assert dg.filter(rows, ["rules", "minhash"], out=tmp_path / "out").summary["rows_kept"] == before["rows_kept"]
    dg.filter(more, ["rules", "minhash"], out=tmp_path / "new", against=tmp_path / "out")


def test_the_python_face_takes_what_people_give_it(tmp_path: Path) -> None:
    rows = [{"instruction": f"Name {n}", "output": f"It is {n * 7919}."} for n in range(9)]
    run = dg.filter(rows, "minhash:threshold=0.9", target_size=4)
    assert run.kept.num_rows == 4 and set(run.kept.column("source").to_pylist()) == {"table"}
    assert "9 rows in, 4 kept, 5 dropped" in repr(run)
    with pytest.raises(UsageError, match=r"a stage is made by calling its class: dg.stages.Minhash\(\)"):
        dg.filter(rows, [dg.stages.Minhash])


def test_rows_of_different_fields_and_odd_values_are_rows_each_by_itself(tmp_path: Path) -> None:
    import pandas as pd

    rows: list[Any] = [
        {"instruction": "Translate to French", "output": "oui"},
        {"instruction": "Translate to French", "input": "the cat", "output": "le chat", "q": 3},
        {"messages": [{"role": "user", "content": "hi there"}, {"role": "assistant", "content": "yo"}]},
        {"instruction": "a\ud800", "output": "x"},
    ]
    run = dg.filter(iter(rows), ["rules"], out=tmp_path / "a")
    kept = run.kept.to_pylist()
    assert [(r["instruction"], r["input"], r["output"]) for r in kept] == [
        ("Translate to French", "", "oui"), ("Translate to French", "the cat", "le chat"), ("hi there", "", "yo"),
    ]  # fmt: skip
    assert json.loads(kept[1]["extra"]) == {"q": 3}
    assert run.dropped.column("reason").to_pylist() == ["unreadable"]
    odd = dg.filter(pd.DataFrame({"instruction": ["a", "b"], "output": ["x", 3]}), ["rules"], out=tmp_path / "b")
    assert odd.kept.column("output").to_pylist() == ["x", "3"]
    for given, words in (({"instruction": ["a"]}, "not as a map"), (5, "not as int")):
        with pytest.raises(UsageError, match=words):
            dg.filter(given, ["rules"])
    with pytest.raises(UsageError, match="limit must be 1 or more"):
        dg.filter(rows, ["rules"], limit=0)
    with pytest.raises(UsageError, match="name a stage"):
        dg.filter(rows, [])


def test_an_old_id_is_explained_though_its_row_was_rewritten_and_came_twice(
    tmp_path: Path, write_jsonl: Any, datagen: Any
) -> None:
    row = {"instruction": "Say hello", "output": "<b>hello</b> my dear world"}
    run = dg.filter(write_jsonl("in.jsonl", row, row), [{"clean": {"do": "html"}}], out=tmp_path / "out")
    old = run.dropped.column("id").to_pylist()[0]
    assert [r.get("reason") or r["rewritten_from"] for r in run.explain(old)] == ["exact_duplicate", old]
    assert f"kept, rewritten from {old}" in datagen("explain", "out", old[:12]).stdout


def test_a_chain_of_runs_is_found_from_another_folder(tmp_path: Path, write_jsonl: Any, datagen: Any) -> None:
    for n in range(3):
        write_jsonl(f"{n}.jsonl", record(n, f"{STORY} {n * 7919}"))
    assert datagen("filter", "0.jsonl", "-o", "a", "--stage", "rouge").returncode == 0
    assert datagen("filter", "1.jsonl", "-o", "b", "--stage", "rouge", "--against", "a").returncode == 0
    done = dg.filter(tmp_path / "2.jsonl", ["rouge"], out=tmp_path / "c", against=tmp_path / "b")  # this process is elsewhere
    assert done.summary["rows_kept"] == 1


def test_fewer_rows_than_were_asked_for_are_told(write_jsonl: Any, datagen: Any) -> None:
    write_jsonl("in.jsonl", record(1), record(2, "Other words."))
    told = datagen("filter", "in.jsonl", "-o", "out", "--stage", "rules", "--target-size", 100).stdout
    assert "100 rows were asked for; no more are there" in told


def test_diff_knows_a_row_by_the_id_that_it_was_read_with(tmp_path: Path, write_jsonl: Any) -> None:
    rows = write_jsonl(
        "in.jsonl", {"instruction": "Say schÃ¶n.", "output": "schÃ¶n"}, {"instruction": "Say yes.", "output": "yes"}
    )
    dg.filter(rows, ["rules"], out=tmp_path / "a")
    dg.filter(rows, [{"clean": {"do": "unicode"}}, "rules"], out=tmp_path / "b")
    found = compare.diff(tmp_path / "a", tmp_path / "b")
    assert (found["both"], found["only_a"], found["only_b"]) == (2, 0, 0)


def test_explain_follows_a_witness_into_the_earlier_runs_and_into_files(tmp_path: Path, write_jsonl: Any) -> None:
    rows = [record(n) for n in range(3)]
    one, two, three = (write_jsonl(f"{n}.jsonl", record(n, f"{STORY} {n}")) for n in range(3))
    stages: list[Any] = [{"minhash": {"same_answer": None, "same_facts": False}}]
    dg.filter(one, stages, out=tmp_path / "a", allow_wipeout=True)
    dg.filter(two, stages, out=tmp_path / "b", against=tmp_path / "a", allow_wipeout=True)
    last = dg.filter(three, stages, out=tmp_path / "c", against=tmp_path / "b", allow_wipeout=True)
    [told] = last.explain(last.dropped.column("id").to_pylist()[0])
    [witness] = told["witness"]
    assert witness["instruction"] == rows[0]["instruction"] and "reason" not in witness
    assert witness["of"] == str(tmp_path / "a")
    beside: list[Any] = [{"minhash": {"same_answer": None, "same_facts": False, "against": str(one)}}]
    other = dg.filter(three, beside, out=tmp_path / "d", allow_wipeout=True)
    [witness] = other.explain(other.dropped.column("id").to_pylist()[0])[0]["witness"]
    assert witness["instruction"] == rows[0]["instruction"] and "file" in witness["of"]


def test_another_chain_or_a_stage_that_looks_back_is_refused(tmp_path: Path, write_jsonl: Any) -> None:
    rows = write_jsonl("in.jsonl", *records(0, 9))
    dg.filter(rows, ["minhash"], out=tmp_path / "a", allow_wipeout=True)
    with pytest.raises(UsageError, match=r"there, minhash.threshold is 0.7, here 0.8; both runs need the same"):
        dg.filter(rows, [{"minhash": {"threshold": 0.8}}], out=tmp_path / "b", against=tmp_path / "a")
    with pytest.raises(UsageError, match="has other stages: minhash"):
        dg.filter(rows, ["rules"], out=tmp_path / "b", against=tmp_path / "a")
    with pytest.raises(UsageError, match="'minhash', as it is set, does"):
        dg.filter(rows, [{"minhash": {"keep": "longest"}}], out=tmp_path / "b", against=tmp_path / "a")
    with pytest.raises(DataError, match="not a finished run of filter"):
        dg.filter(rows, ["minhash"], out=tmp_path / "b", against=tmp_path / "nowhere")


def test_a_stage_that_drops_most_of_a_source_stops_and_drops_nothing(tmp_path: Path, write_jsonl: Any, datagen: Any) -> None:
    mine = [{"instruction": "Same.", "output": f"{STORY} {i}", "source": "mine"} for i in range(120)]
    write_jsonl("in.jsonl", *mine, *({**r, "source": "other"} for r in records(0, 20)))
    command = ["filter", "in.jsonl", "-o", "out", "--stage", "minhash:same_answer=off"]
    done = datagen(*command)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "stage 'minhash' drops 119 of the 120 rows of source 'mine' (mostly near_duplicate)" in done.stderr
    assert not (tmp_path / "out" / "kept").exists()
    assert datagen(*command, "--allow-wipeout").returncode == 0
    assert datagen("filter", "in.jsonl", "-o", "loose", "--stage", "minhash").returncode == 0


def test_an_old_run_is_decided_again_by_its_name_alone(tmp_path: Path, write_jsonl: Any, datagen: Any) -> None:
    write_jsonl("in.jsonl", *records(0, 60))
    assert datagen("filter", "in.jsonl", "-o", "out", "--stage", "minhash:same_answer=off", "--allow-wipeout").returncode == 0
    before = len(read_all(tmp_path / "out" / "kept"))
    done = datagen("filter", "-o", "out", "--set", "minhash.threshold=0.1", "--allow-wipeout", "--json")
    assert done.returncode == 0, done.stderr
    assert len(read_all(tmp_path / "out" / "kept")) < before
    assert json.loads(done.stdout)["stages"][1]["options"]["threshold"] == 0.1
    smaller = datagen("filter", "in.jsonl", "-o", "small", "--stage", "rules", "--target-size", 10)
    assert smaller.returncode == 0, smaller.stderr
    assert len(read_all(tmp_path / "small" / "kept")) == 10


def test_two_runs_are_compared_and_rows_counted(tmp_path: Path, write_jsonl: Any, datagen: Any) -> None:
    write_jsonl("in.jsonl", *records(0, 40))
    datagen("filter", "in.jsonl", "-o", "a", "--stage", "rules", "--stage", "minhash", "--allow-wipeout")
    datagen("filter", "in.jsonl", "-o", "b", "--stage", "rules")
    found = json.loads(datagen("diff", "a", "b", "--json").stdout)
    assert (found["only_a"], found["only_b"]) == (0, sum(found["why_not_in_a"].values()))
    assert set(found["why_not_in_a"]) == {"minhash: near_duplicate"}
    assert "only by b; in a:" in datagen("diff", "a", "b").stdout
    told = json.loads(datagen("stats", "in.jsonl", "--json").stdout)
    assert told["rows"] == len(records(0, 40))
    assert told["verbs"]["explain"] == 40
    assert all(len(line) <= 80 for line in datagen("stats", "in.jsonl").stdout.splitlines())
    assert datagen("diff", "a", "nowhere").returncode == 3


def test_tables_go_in_and_stages_are_classes(tmp_path: Path) -> None:
    import pandas as pd

    table = pa.Table.from_pylist(records(0, 20))
    stages = ["rules", dg.stages.Minhash(threshold=0.8)]
    kept = [
        dg.filter(given, stages, allow_wipeout=True).kept.column("id").to_pylist()
        for given in (table, table.to_pandas(), pd.DataFrame(records(0, 20)))
    ]
    assert kept[0] == kept[1] == kept[2]
    datasets = pytest.importorskip("datasets")
    assert (
        dg.filter(datasets.Dataset.from_list(records(0, 20)), stages, allow_wipeout=True).kept.column("id").to_pylist()
        == kept[0]
    )
    run = dg.filter(table, stages, out=tmp_path / "out", allow_wipeout=True)
    gone = run.dropped.column("id")[0].as_py()
    assert run.explain(gone)[0]["reason"] in ("exact_duplicate", "near_duplicate", "empty_answer")
    assert read_json(tmp_path / "out" / "run.json")["stages"][2]["options"]["threshold"] == 0.8
