"""A mixture as a run: which rows are taken, how often, and a ledger row for each that is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import datagen as dg
from datagen.api import Finished
from datagen.data.dataset import Dataset, ingest
from datagen.data.rows import Row, new_row
from datagen.data.shards import read_json
from datagen.kinds.mix import Mix
from datagen.mixture.decide import decide, renamed

Mixed = Callable[..., Finished]


def task(source: str, i: int) -> dict[str, Any]:
    return {"instruction": f"task {i} of {source}", "output": f"answer {i}"}


@pytest.fixture
def mixed(tmp_path: Path, write_jsonl: Callable[..., Path]) -> Mixed:
    """Mix sources of the given sizes."""

    def run(sizes: dict[str, int], out: str = "out", **options: Any) -> Finished:
        paths = {n: write_jsonl(f"{n}.jsonl", *(task(n, i) for i in range(size))) for n, size in sizes.items()}
        return dg.mix(paths, tmp_path / out, **options)

    return run


def taken(run: Finished) -> Counter[tuple[str, str]]:
    """How often each row is in the mixture."""
    return Counter({(r["source"], r["id"]): r["repeat"] for r in run.kept.to_pylist()})


def per_source(run: Finished) -> Counter[str]:
    found: Counter[str] = Counter()
    for (source, _), n in taken(run).items():
        found[source] += n
    return found


def test_without_options_every_row_is_taken_once(mixed: Mixed) -> None:
    run = mixed({"a": 3, "b": 5})
    assert per_source(run) == {"a": 3, "b": 5}
    assert set(taken(run).values()) == {1}
    assert len(run.dropped) == 0


def test_a_row_that_is_not_taken_is_in_the_ledger_and_the_counts_add_up(mixed: Mixed) -> None:
    run = mixed({"a": 6, "b": 3}, rows=3)
    assert per_source(run) == {"a": 2, "b": 1}
    dropped = run.dropped.to_pylist()
    assert Counter((r["source"], r["stage"], r["reason"]) for r in dropped) == {
        ("a", "mix", "over_quota"): 4,
        ("b", "mix", "over_quota"): 2,
    }
    assert sorted((r["score"], r["threshold"]) for r in dropped if r["source"] == "a") == [
        (n, 2.0) for n in (2.0, 3.0, 4.0, 5.0)
    ]
    assert len({r["id"] for r in dropped} | {i for _, i in taken(run)}) == 9
    assert (run.summary["rows_in"], run.summary["rows_kept"], run.summary["rows_dropped"]) == (9, 3, 6)


def test_a_source_asked_for_more_than_it_has_repeats_evenly(mixed: Mixed) -> None:
    run = mixed({"a": 4, "b": 10}, rows=20, method="weights", weights={"a": 1, "b": 1})
    assert sorted(n for (source, _), n in taken(run).items() if source == "a") == [2, 2, 3, 3]
    told = read_json(run.folder / "mix.json")["sources"]["a"]
    assert told == {"rows": 4, "held_out": 0, "share": 0.5, "taken": 10, "epochs": 2.5}


def test_a_weight_of_zero_leaves_a_source_out_and_loses_no_row(mixed: Mixed) -> None:
    run = mixed({"a": 2, "b": 3}, method="weights", weights={"a": 0, "b": 1}, rows=3)
    assert per_source(run) == {"b": 3}
    assert Counter(r["source"] for r in run.dropped.to_pylist()) == {"a": 2}


def test_a_larger_mixture_contains_the_smaller(mixed: Mixed) -> None:
    runs = [taken(mixed({"a": 7, "b": 20}, out=f"n{n}", rows=n, method="temperature")) for n in (5, 11, 30, 31)]
    for smaller, larger in pairwise(runs):
        assert smaller <= larger
    assert [sum(r.values()) for r in runs] == [5, 11, 30, 31]


def test_the_same_seed_takes_the_same_rows_and_another_takes_others(mixed: Mixed) -> None:
    one, same, other = (taken(mixed({"a": 40}, out=out, rows=10, seed=s)) for out, s in (("x", 1), ("y", 1), ("z", 2)))
    assert one == same
    assert one != other


def test_duplicates_are_dropped_within_a_source_only(tmp_path: Path, write_jsonl: Callable[..., Path]) -> None:
    shared, own = task("both", 0), task("a", 1)
    write_jsonl("a.jsonl", shared, own, shared)
    write_jsonl("more.jsonl", own)
    write_jsonl("b.jsonl", shared)
    run = dg.mix({"a": [str(tmp_path / "a.jsonl"), str(tmp_path / "more.jsonl")], "b": tmp_path / "b.jsonl"}, tmp_path / "out")
    assert per_source(run) == {"a": 2, "b": 1}
    dropped = run.dropped.to_pylist()
    assert [(r["stage"], r["reason"], r["source"]) for r in dropped] == [("mix", "exact_duplicate", "a")] * 2
    assert [r["witness_id"] for r in dropped] == [r["id"] for r in dropped]
    assert run.summary["rows_in"] == 5 == len(run.kept) + len(dropped)


def test_a_source_that_cannot_be_read_in_part_is_in_the_ledger(tmp_path: Path, write_jsonl: Callable[..., Path]) -> None:
    path = write_jsonl("a.jsonl", task("a", 0), '{"instruction": ')
    run = dg.mix({"a": path}, tmp_path / "out")
    assert [r["reason"] for r in run.dropped.to_pylist()] == ["unreadable"]
    assert run.summary["rows_in"] == 2


def test_a_mix_after_stages_takes_their_rows_and_counts_each_once(tmp_path: Path, write_jsonl: Callable[..., Path]) -> None:
    rows = write_jsonl("in.jsonl", *(task("in", i) for i in range(4)), {"instruction": "x", "output": ""})
    other = write_jsonl("other.jsonl", *(task("other", i) for i in range(2)))
    text = f"input: {rows}\nsteps:\n- rules\n- mix: {{rows: 3, sources: {{mine: {{from: rules}}, other: {other}}}}}\n"
    (tmp_path / "r.yaml").write_text(text)
    run = dg.run(tmp_path / "r.yaml", tmp_path / "out")
    assert per_source(run) == {"mine": 2, "other": 1}
    assert Counter((r["stage"], r["reason"]) for r in run.dropped.to_pylist()) == {
        ("rules", "empty_answer"): 1,
        ("mix", "over_quota"): 3,
    }
    assert run.summary["rows_in"] == 7 == len(run.kept) + len(run.dropped)


def test_the_old_source_of_a_renamed_row_stays_in_extra() -> None:
    row = new_row(instruction="a", source="alpaca", extra='{"topic": "x"}')
    assert renamed(row, "mine")["source"] == "mine"
    assert renamed(row, "mine")["extra"] == '{"topic": "x", "source": "alpaca"}'
    assert renamed(new_row(instruction="a"), "mine")["extra"] == ""
    assert renamed(row, "alpaca") == row


def never(table: Any, sizes: Any) -> Any:
    raise AssertionError("no grid was asked for")


def rows_of(sizes: dict[str, int]) -> list[tuple[str, list[Row]]]:
    return [(n, [new_row(**task(n, i), source=n) for i in range(size)]) for n, size in sizes.items()]


@given(
    sizes=st.dictionaries(st.sampled_from("abc"), st.integers(0, 6), min_size=1),
    method=st.sampled_from(["proportional", "temperature", "equal"]),
    one=st.integers(1, 30),
    other=st.integers(1, 30),
)
@settings(max_examples=40, deadline=None)
def test_mixtures_of_any_sizes_are_nested_and_lose_no_row(
    tmp_path_factory: pytest.TempPathFactory, sizes: dict[str, int], method: Any, one: int, other: int
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    data = Dataset(folder, "")
    found = ingest(folder, rows_of(sizes), "mix")
    plans = [
        decide(data, found, Mix(sources=dict.fromkeys(sizes, "x"), method=method, rows=n), never) for n in sorted((one, other))
    ]
    assert (plans[0].repeat <= plans[1].repeat).all()
    for plan, n in zip(plans, sorted((one, other)), strict=True):
        assert plan.repeat.sum() == (n if any(sizes.values()) else 0)
        assert sorted(plan.dropped.column("row").to_pylist()) == [i for i, r in enumerate(plan.repeat) if r == 0]
