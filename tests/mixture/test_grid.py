"""The grid of mixtures: which ones are trained, on which rows, and how they are ranked."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datagen.data.dataset import Dataset, ingest
from datagen.data.rows import Row, new_row
from datagen.data.shards import read_all
from datagen.errors import DataError, UsageError
from datagen.kinds.mix import Mix
from datagen.mixture.decide import decide
from datagen.mixture.grid import Found, mixtures, search

Call = tuple[list[Row], list[Row], int, int]


class Trainer:
    """A plain function as the trainer: a source's loss falls with its share of the rows trained on; it notes each call."""

    def __init__(self, noise: float = 0.0) -> None:
        self.calls: list[Call] = []
        self.loaded = 0
        self.noise = noise

    def load(self) -> Callable[..., dict[str, float]]:
        self.loaded += 1
        return self.loss

    def loss(self, rows: list[Row], held_out: list[Row], steps: int, seed: int) -> dict[str, float]:
        self.calls.append((rows, held_out, steps, seed))
        total = sum(r["repeat"] for r in rows)
        share = {n: sum(r["repeat"] for r in rows if r["source"] == n) / total for n in ("a", "b")}
        wanted = {"a": 0.5, "b": 0.5}
        return {n: 2 + abs(share[n] - wanted[n]) + self.noise * (seed - 17) for n in wanted}


def searched(
    folder: Path, sizes: dict[str, int], trainer: Trainer, eval_rows: list[Row] | None = None, **options: Any
) -> tuple[Found, Dataset, Mix]:
    settings = Mix(sources=dict.fromkeys(sizes, "x"), grid=True, **{"steps": 2, **options})
    data = Dataset(folder, "")
    ingest(
        folder,
        [(n, [new_row(instruction=f"{n} {i}", output="x", source=n) for i in range(k)]) for n, k in sizes.items()],
        "mix",
    )
    return search(read_all(data.rows), sizes, settings, trainer.load, eval_rows, lambda n, of: None, folder), data, settings


def test_the_natural_and_the_uniform_mixture_come_first() -> None:
    found = mixtures({"a": 300, "b": 100}, [1, 0.5])
    assert [m["name"] for m in found] == ["natural", "uniform", "1 : 0.5", "0.5 : 1"]
    assert found[0]["weights"] == {"a": 0.75, "b": 0.25}
    assert found[1]["weights"] == {"a": 0.5, "b": 0.5}
    assert found[2]["weights"] == pytest.approx({"a": 300 / 350, "b": 50 / 350})
    assert found[3]["weights"] == pytest.approx({"a": 0.6, "b": 0.4})


def test_mixtures_that_are_equal_after_scaling_run_once() -> None:
    # 1:1, 1/2:1/2 and 1/4:1/4 are one; so are 1:1/2 and 1/2:1/4
    assert [m["name"] for m in mixtures({"a": 10, "b": 30}, [1, 0.5, 0.25])] == [
        "natural", "uniform", "1 : 0.5", "1 : 0.25", "0.5 : 1", "0.25 : 1",
    ]  # fmt: skip
    # sources of one size: natural is uniform
    assert [m["name"] for m in mixtures({"a": 10, "b": 10}, [1, 0.5])] == ["natural", "1 : 0.5", "0.5 : 1"]
    # 1/2 : 1 of twice the rows is uniform
    assert [m["name"] for m in mixtures({"a": 20, "b": 10}, [1, 0.5])] == ["natural", "uniform", "1 : 0.5"]
    assert [m["name"] for m in mixtures({"a": 7}, [1, 0.5])] == ["natural"]
    for found in (mixtures({"a": 3, "b": 5, "c": 9}, [1, 1 / 2, 1 / 4]), mixtures({"a": 20, "b": 10}, [1, 1, 0.5])):
        scaled = [tuple(round(w, 9) for w in m["weights"].values()) for m in found]
        assert len(set(scaled)) == len(scaled)
        assert all(sum(s) == pytest.approx(1) for s in scaled)


def test_the_best_mixture_is_the_one_of_least_loss_and_is_trained_again_with_a_second_seed(tmp_path: Path) -> None:
    trainer = Trainer(noise=0.125)
    found, _, _ = searched(tmp_path, {"a": 100, "b": 50}, trainer, levels=("1", "1/2", "1/4"), steps=3)
    assert found.weights == {"a": 0.5, "b": 0.5}
    assert [r["loss"] for r in found.ranked] == sorted(r["loss"] for r in found.ranked)
    assert (found.ranked[0]["loss"], found.second_seed["loss"], found.second_seed["seed"]) == (2.0, 2.125, 18)
    assert found.written()["noise"] == 0.125
    assert trainer.loaded == 1
    assert [c[3] for c in trainer.calls] == [17] * len(found.ranked) + [18]
    assert {c[2] for c in trainer.calls} == {3}


def test_every_proxy_gets_as_many_rows_in_one_order_within_each_source(tmp_path: Path) -> None:
    trainer = Trainer()
    searched(tmp_path, {"a": 40, "b": 20}, trainer, steps=4)
    for rows, _, _, _ in trainer.calls:
        assert sum(r["repeat"] for r in rows) == 4 * 8
        assert {r["source"] for r in rows} == {"a", "b"}
    for source in ("a", "b"):
        orders = sorted(([r["id"] for r in c[0] if r["source"] == source] for c in trainer.calls), key=len)
        assert all(longest[: len(shorter)] == shorter for shorter, longest in pairwise(orders))


def test_held_out_rows_are_measured_on_never_trained_on_and_in_the_ledger(tmp_path: Path) -> None:
    trainer, sizes = Trainer(), {"a": 45, "b": 400}
    found, data, settings = searched(tmp_path, sizes, trainer, levels=("1",))
    assert {n: len(held) for n, held in found.held_out.items()} == {"a": 4, "b": 32}
    measured = {r["id"] for r in trainer.calls[0][1]}
    assert len(measured) == 36
    for rows, held, _, _ in trainer.calls:
        assert {r["id"] for r in held} == measured
        assert not measured & {r["id"] for r in rows}

    plan = decide(data, sizes, settings, lambda table, sizes: found)
    dropped = plan.dropped.to_pylist()
    held = [d["row"] for d in dropped if d["reason"] == "held_out"]
    ids = data.ids.to_pylist()
    assert {ids[row] for row in held} == measured
    assert plan.repeat[held].sum() == 0
    assert plan.sources["a"]["held_out"] == 4
    assert sorted(d["row"] for d in dropped) == np.flatnonzero(plan.repeat == 0).tolist()


def test_given_evaluation_rows_hold_nothing_out(tmp_path: Path) -> None:
    trainer, measured = Trainer(), [new_row(instruction="measure", output="x", source="a")]
    found, _, _ = searched(tmp_path, {"a": 5, "b": 3}, trainer, eval_rows=measured, levels=("1",))
    assert {n: len(held) for n, held in found.held_out.items()} == {"a": 0, "b": 0}
    assert trainer.calls[0][1] == measured


def test_a_finished_proxy_is_not_trained_again(tmp_path: Path) -> None:
    first, again, other = Trainer(), Trainer(), Trainer()
    one, _, _ = searched(tmp_path, {"a": 40, "b": 20}, first)
    two, _, _ = searched(tmp_path, {"a": 40, "b": 20}, again)
    assert (len(again.calls), list(two.ranked)) == (0, list(one.ranked))
    searched(tmp_path, {"a": 40, "b": 20}, other, steps=3)
    assert len(other.calls) == len(first.calls)


def test_too_many_mixtures_are_refused_with_the_numbers(tmp_path: Path) -> None:
    trainer = Trainer()
    with pytest.raises(UsageError) as error:
        searched(tmp_path, {"a": 30, "b": 20}, trainer, levels=("1", "1/2", "1/4"), max_proxies=5)
    assert str(error.value) == (
        "6 mixtures of 2 sources at 3 levels need 7 proxies of 2 steps, about 1 min here; give fewer --levels, or allow"
        " them with --max-proxies 6"
    )
    assert len(trainer.calls) == 1  # the one that was timed
    searched(tmp_path, {"a": 30, "b": 20}, trainer, levels=("1", "1/2", "1/4"), max_proxies=6)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"a": 40, "b": 9}, "mix --grid: the source 'b' has 9 rows, too few to hold some out; give --eval ROWS"),
        ({"a": 40, "b": 0}, "mix --grid: the source 'b' has no rows"),
    ],
)
def test_a_source_that_is_too_small_is_refused(sizes: dict[str, int], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as error:
        searched(tmp_path, sizes, Trainer())
    assert str(error.value) == message
