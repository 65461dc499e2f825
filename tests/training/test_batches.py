from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.data.rows import Row, new_row, turn
from datagen.training.batches import Plan, Sample, epoch_order
from datagen.training.passes import micro_batches, padded
from datagen.training.texts import samples_of
from datagen.training.tree import read_length


def sample(name: str, length: int = 3, repeat: int = 1) -> Sample:
    return Sample(name, "s", repeat, list(range(length)), [-100, *range(1, length)], None)


def test_the_order_is_a_function_of_seed_and_epoch_alone() -> None:
    samples = [sample(str(i)) for i in range(50)]
    assert epoch_order(samples, 1, 0) == epoch_order(samples, 1, 0)
    assert epoch_order(samples, 1, 0) != epoch_order(samples, 1, 1)
    assert epoch_order(samples, 1, 0) != epoch_order(samples, 2, 0)
    assert sorted(epoch_order(samples, 1, 0)) == list(range(50))


def test_rows_that_two_sets_share_come_in_the_same_relative_order() -> None:
    small = [sample(str(i)) for i in range(20)]
    large = [sample(f"other{i}") for i in range(30)] + small
    order = [large[i].id for i in epoch_order(large, 7, 0) if not large[i].id.startswith("other")]
    assert order == [small[i].id for i in epoch_order(small, 7, 0)]


def test_a_row_with_repeat_3_is_seen_three_times_an_epoch() -> None:
    assert sorted(epoch_order([sample("a"), sample("b", repeat=3)], 0, 0)) == [0, 1, 1, 1]


def test_epochs_follow_each_other_without_a_short_batch_between() -> None:
    plan = Plan([sample(str(i)) for i in range(5)], seed=0, batch_size=2, epochs=2.0)
    assert plan.steps == 5
    seen = [s.id for step in range(5) for s in plan.batch(step)]
    assert [len(plan.batch(step)) for step in range(5)] == [2] * 5
    assert sorted(seen[:5]) == sorted(seen[5:]) == list("01234") and seen[:5] != seen[5:]
    assert [s.id for s in plan.batch(2)] == [s.id for s in Plan(plan.samples, 0, 2, epochs=2.0).batch(2)]


def test_batches_that_do_not_come_out_even_are_evenly_smaller() -> None:
    plan = Plan([sample(str(i)) for i in range(65)], seed=0, batch_size=16)
    assert [len(plan.batch(step)) for step in range(plan.steps)] == [13] * 5
    assert sorted(s.id for step in range(5) for s in plan.batch(step)) == sorted(str(i) for i in range(65))


def test_a_batch_holds_no_more_than_one_pass() -> None:
    plan = Plan([sample("a"), sample("b")], seed=0, batch_size=16, steps=3)
    assert [sorted(s.id for s in plan.batch(step)) for step in range(3)] == [["a", "b"]] * 3


def test_rows_of_one_id_are_not_always_neighbours() -> None:
    samples = [sample("twice"), sample("twice"), *(sample(str(i)) for i in range(30))]
    apart = []
    for epoch in range(20):
        order = epoch_order(samples, 0, epoch)
        apart.append(abs(order.index(0) - order.index(1)))
    assert sum(n == 1 for n in apart) < 10 and max(apart) > 10


def test_steps_from_a_fraction_of_an_epoch() -> None:
    samples = [sample(str(i)) for i in range(30)]
    assert Plan(samples, 0, 1, epochs=0.1).steps == 3
    assert Plan(samples, 0, 16, epochs=0.001).steps == 1
    assert Plan(samples, 0, 16, steps=9).steps == 9


@given(st.lists(st.integers(2, 60), min_size=1, max_size=30), st.integers(1, 100))
def test_micro_batches_hold_every_row_once_within_the_budget(lengths: list[int], budget: int) -> None:
    batch = [sample(str(i), n) for i, n in enumerate(lengths)]
    cut = micro_batches(batch, budget)
    assert sorted(s.id for m in cut for s in m) == sorted(s.id for s in batch)
    assert all(len(m) == 1 or len(m) * max(len(s.input_ids) for s in m) <= budget for m in cut)


def test_padding_comes_from_lengths_so_an_eos_label_stays_where_pad_is_eos(tiny: tuple[Any, Any]) -> None:
    _, tokenizer = tiny
    assert tokenizer.pad_token_id == tokenizer.eos_token_id
    rows = [new_row(instruction="a", output="b"), new_row(instruction="a", output="one two three four five six")]
    samples, _ = samples_of(rows, tokenizer, 512)
    batch = padded(samples)
    width = batch.input_ids.shape[1]
    for row, one in enumerate(samples):
        labels = batch.targets[batch.rows == row].tolist()
        assert labels[-1] == tokenizer.eos_token_id
        assert labels.count(tokenizer.eos_token_id) == 1
        assert batch.at[batch.rows == row].max() == row * width + read_length(one) - 1  # the state before it


def test_rows_left_out_are_named_with_their_reason(tiny: tuple[Any, Any]) -> None:
    long = new_row(instruction="x", output="word " * 300)
    silent = new_row(messages=[turn("user", "only a question")])
    gone = new_row(instruction="x", output="y", repeat=0)
    wrong = new_row(messages=[turn("user", "q"), turn("assistant", "a", weight=-1.0)])
    kept = new_row(instruction="x", output="z")
    rows: list[Row] = [long, silent, gone, wrong, kept]
    samples, left_out = samples_of(rows, tiny[1], 100)
    assert [s.id for s in samples] == [kept["id"]]
    reasons = dict(left_out)
    assert (reasons[long["id"]], reasons[silent["id"]], reasons[gone["id"]]) == ("too_long", "no_labels", "repeat_zero")
    assert reasons[wrong["id"]].startswith("error: ")


@pytest.mark.parametrize("warmup", [0.01, 0.3, 0.5, 1.0])
def test_growing_batches_take_the_least_steps_that_show_every_row(warmup: float) -> None:
    for count, size in ((1, 4), (7, 3), (100, 8), (257, 32), (300, 300)):
        samples = [Sample(str(n), "", 1, [1, 2], [-100, 2], None) for n in range(count)]
        plan = Plan(samples, 1, size, epochs=3, warmup=warmup)
        assert sorted({s.id for step in range(plan.steps) for s in plan.batch(step)}) == sorted(s.id for s in samples)
        most = min(size, count)
        steps, seen = 0, 0
        while seen < 3 * count:
            steps += 1
            rising = math.ceil(warmup * steps)
            seen = sum(max(1, most * (s + 1) // (rising + 1)) if s < rising else most for s in range(steps))
        assert plan.steps == steps
