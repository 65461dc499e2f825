"""InsTag's normaliser on fixtures worked out by hand, and its association step against FP-Growth's definition."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import permutations

import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from datagen.tags.normalise import Thresholds, Vocabulary, _by_association, counted, normalise, plain, told

ALL = Thresholds(count=2, distance=None, support=3, confidence=0.99)


def vectors(texts: Sequence[str]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Put a text at an angle that is its number: `a10` and `a12` are 2 degrees apart."""
    angle = np.radians([float(t[1:]) for t in texts])
    return np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32), np.array([t[0] == "a" for t in texts])


def test_frequency_takes_the_tags_of_few_rows() -> None:
    rows = [["poem", "rare"], ["poem", "poem"], ["law"], ["law"], []]
    found = normalise(rows, Thresholds(2, None, 40, None), None)
    assert found.name == {"poem": "poem", "rare": None, "law": "law"}
    assert [found.of(r) for r in rows] == [["poem"], ["poem"], ["law"], ["law"], []]
    assert found.steps == {"frequency": 1, "rule": 0}


def test_rules_make_one_of_what_differs_in_case_signs_and_endings_only() -> None:
    assert plain("Spelling & Grammar-Checking") == plain("spelling grammar checks") == "spell grammar check"
    assert plain("Ｃ＋＋") == plain("c++") != plain("C") != plain("C#")
    assert plain("合同法") == "合同法" != plain("合同")
    assert plain("กฎหมายสัญญา") == "กฎหมายสัญญา"
    assert plain("!!!") == "!!!"
    rows = [["Role Play"], ["role-play"], ["role-playing"], ["role-play", "Role Play"], ["role-play"]]
    found = normalise(rows, Thresholds(1, None, 40, None), None)
    assert {*found.name.values()} == {"role-play"}  # the most frequent spelling
    assert found.of(["Role Play", "role-play"]) == ["role-play"]
    assert found.merged["rule"] == [("Role Play", "role-play"), ("role-playing", "role-play")]


def test_meaning_joins_chains_within_the_distance_and_leaves_what_the_embedder_does_not_read() -> None:
    # 1 - cos(10°) = 0.0152: a0, a10 and a20 are a chain, a90 is far; b10 is not read though it lies on a10.
    rows = [["a0"], ["a0"], ["a0"], ["a10"], ["a10"], ["a20"], ["a90"], ["b10"]]
    found = normalise(rows, Thresholds(1, 0.016, 40, None), vectors)
    assert found.name == {"a0": "a0", "a10": "a0", "a20": "a0", "a90": "a90", "b10": "b10"}
    apart = normalise(rows, Thresholds(1, 0.01, 40, None), vectors)
    assert all(a == b for a, b in apart.name.items())


def test_association_merges_a_tag_that_nearly_always_comes_with_another() -> None:
    rows = [["maths", "maths problem"]] * 3 + [["maths"]] * 2 + [["law"]] * 3
    found = normalise(rows, ALL, None)
    assert found.name == {"maths": "maths", "maths problem": "maths", "law": "law"}
    assert found.steps["association"] == 1


def test_of_two_tags_that_imply_each_other_one_stays_and_chains_go_to_their_end() -> None:
    rows = [["x", "y"]] * 4 + [["x", "y", "z"]] * 3
    assert {*normalise(rows, ALL, None).name.values()} == {"x"}
    # c comes with b only, b with a only, and not all of c with a: 3 of 3, 4 of 4.
    rows = [["a", "b", "c"]] * 3 + [["a", "b"]] + [["a"]] * 5
    assert {*normalise(rows, ALL, None).name.values()} == {"a"}


def test_support_and_confidence_are_at_least() -> None:
    rows = [["a", "b"]] * 3 + [["a"]] * 4
    assert normalise(rows, Thresholds(1, None, 3, 1.0), None).name["b"] == "a"
    assert normalise(rows, Thresholds(1, None, 4, 1.0), None).name["b"] == "b"
    rows = [["a", "b"]] * 9 + [["b"]] + [["a"]] * 9
    assert normalise(rows, Thresholds(1, None, 3, 0.9), None).name["b"] == "a"
    assert normalise(rows, Thresholds(1, None, 3, 0.91), None).name["b"] == "b"


@given(
    st.lists(st.lists(st.sampled_from("abcdef"), max_size=4), max_size=30), st.integers(1, 5), st.sampled_from([0.6, 0.9, 1.0])
)
def test_its_rules_are_those_of_frequent_pairs(rows: list[list[str]], support: int, confidence: float) -> None:
    at = Thresholds(1, None, support, confidence)
    names = {t: t for r in rows for t in r}
    merged = _by_association(rows, Vocabulary(dict(names)), at)
    sets = [set(r) for r in rows]
    order = list(counted(rows, Vocabulary(dict(names))))
    implied = {
        x for x, y in permutations(order, 2)
        if order.index(y) < order.index(x)
        and (both := sum({x, y} <= s for s in sets)) >= support and both >= confidence * sum(x in s for s in sets)
    }  # fmt: skip
    assert {*merged} == implied
    assert not {*merged.values()} & implied  # what stands for others stays itself


@given(st.lists(st.lists(st.text(max_size=6), max_size=5), max_size=15))
def test_any_tags_are_normalised_and_a_second_time_changes_nothing(rows: list[list[str]]) -> None:
    found = normalise(rows, ALL, None)
    made = [found.of(r) for r in rows]
    assert [normalise(made, Thresholds(1, None, 3, 0.99), None).of(r) for r in made] == made
    assert told(rows, found)["tags"] == len({t for r in made for t in r})
    assert sum(Counter(t for r in made for t in r).values()) == sum(map(len, made))
