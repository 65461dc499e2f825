"""`balance`: the published sampling rule step by step, quotas by hand, nested sets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen import stage
from datagen.curate.balance import _capped, diverse
from datagen.data.rows import Row, new_row, table_of
from datagen.errors import UsageError
from datagen.stage import Context


def kept(rows: list[Row], **options: Any) -> tuple[list[int], dict[str, Any]]:
    made = stage.make("balance", options)
    scores = stage.scored(made, table_of(rows), Context())
    done = stage.apply(made, scores, alive := np.ones(len(rows), bool), Context())
    return np.flatnonzero(alive).tolist(), dict(done.notes)


def test_the_published_sampling_rule_step_by_step() -> None:
    tags = [["a"], ["a", "b"], ["b"], ["a", "b", "c"], ["d"], [], ["a", "b"]]
    # Most tags first: 3 (a b c), then 1 and 6 (a b), then 0, 2, 4. Pass 1 takes 3, and 4 for its d; pass 2 takes 1;
    # pass 3 takes 6; pass 4 takes 0 (a) and 2 (b); at last the row without tags.
    assert diverse(tags, 7) == [3, 4, 1, 6, 0, 2, 5]
    assert diverse(tags, 3) == [3, 4, 1]


def test_rows_without_tags_end_the_passes() -> None:
    assert diverse([[], [], []], 2) == [0, 1]


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=4), max_size=20), st.integers(0, 20))
def test_a_smaller_set_is_in_a_larger_one(tags: list[list[str]], size: int) -> None:
    assert diverse(tags, size) == diverse(tags, size + 1)[:size]
    assert len(diverse(tags, size)) == min(size, len(tags))


def rows_of(**counts: int) -> list[Row]:
    return [new_row(instruction=f"{s} {i}", output="x", source=s) for s, n in counts.items() for i in range(n)]


def test_quotas_by_hand() -> None:
    rows = rows_of(big=90, small=10)
    assert kept(rows, size=20)[1]["groups"] == {"big": {"rows": 90, "taken": 18}, "small": {"rows": 10, "taken": 2}}
    assert kept(rows, size=20, temperature=1e9)[1]["groups"]["small"]["taken"] == 10
    assert kept(rows, size=40, temperature=1e9)[1]["groups"] == {
        "big": {"rows": 90, "taken": 30}, "small": {"rows": 10, "taken": 10},
    }  # fmt: skip
    assert kept(rows, cap=15)[1]["groups"]["big"]["taken"] == 15
    assert len(kept(rows, size=30, cap=15)[0]) == 25


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 50)), min_size=1, max_size=6), st.integers(0, 120))
def test_counts_add_up_under_their_limits_and_never_shrink(groups: list[tuple[int, int]], total: int) -> None:
    weights, most = [float(w) for w, _ in groups], [m for _, m in groups]
    total = min(total, sum(most))
    found = _capped(weights, most, total)
    assert sum(found) == total
    assert all(a <= b for a, b in zip(found, most, strict=True))
    if total < sum(most):
        assert all(a <= b for a, b in zip(found, _capped(weights, most, total + 1), strict=True))


def test_equal_seeds_give_nested_sets_and_other_seeds_other_ones() -> None:
    rows = rows_of(a=50, b=30)
    small, large, other = (set(kept(rows, size=n, seed=s)[0]) for n, s in ((10, 1), (30, 1), (10, 2)))
    assert small < large
    assert small != other


def test_a_row_of_several_tags_counts_for_its_rarest_and_the_curve_beats_chance() -> None:
    rows = [
        new_row(instruction=f"{i}", output="x", tags=["common", f"rare {i}"] if i % 10 == 0 else ["common"]) for i in range(100)
    ]  # fmt: skip
    told = kept(rows, by="tags", size=20, temperature=1e9)[1]
    assert told["groups"]["common"]["taken"] < 12
    curve = kept(rows, by="diversity", size=10)[1]["coverage"]
    assert curve["covered"][-1] == 11 > curve["random"][-1]


def test_options_that_cannot_be_are_one_line() -> None:
    with pytest.raises(UsageError, match="size must be 1 or more"):
        stage.make("balance", {"size": 0})


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=4), max_size=25), st.integers(0, 25))
def test_passes_over_tag_sets_are_the_published_passes_over_rows(tags: list[list[str]], size: int) -> None:
    left = sorted((i for i, of in enumerate(tags) if of), key=lambda i: -len(set(tags[i])))
    taken: list[int] = []
    while left and len(taken) < size:
        covered: set[str] = set()
        for row in list(left):
            if len(taken) < size and not covered.issuperset(tags[row]):
                taken.append(row)
                covered.update(tags[row])
                left.remove(row)
    assert diverse(tags, size) == [*taken, *(i for i, of in enumerate(tags) if not of)][:size]


def test_a_subset_by_tags_that_no_row_has_is_refused() -> None:
    for by, words in (("diversity", "no row has a tag: put --stage tag before it"), ("language", "no row has a language")):
        with pytest.raises(UsageError, match=words):
            kept(rows_of(a=5), by=by, size=2)
    with pytest.raises(UsageError, match="balance needs to know how many rows stay"):
        stage.make("balance", {}).identity()
