"""The demo takes a size that fits the machine; what was taken is gone on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from datagen import demo
from datagen.demo import Size, Speed


def test_a_fast_machine_takes_the_full_size_and_a_slow_one_less_but_never_nothing() -> None:
    slow, full = Speed(100, 45), demo.full_size()
    assert full[:3] == (80, 24, 8)
    assert demo.size(Speed(2000, 2000), 240)[:3] == (80, 24, 8)
    fits = demo.size(slow, 240)
    assert demo.LEAST_N < fits.n < 80 and demo.LEAST_STEPS <= fits.steps < 24
    assert fits.seconds <= 240 < full.taking(slow).seconds
    assert demo.size(Speed(1, 1), 240)[:3] == (demo.LEAST_N, demo.LEAST_STEPS, 4)


def test_more_time_never_gives_a_smaller_demo() -> None:
    sizes = [demo.size(Speed(100, 45), seconds)[:3] for seconds in range(60, 900, 20)]
    assert sizes == sorted(sizes) and len(set(sizes)) > 5


def test_the_recipe_of_a_size_sees_each_row_as_often_as_the_full_one() -> None:
    made = demo.recipe(Size(20, 8, 4))
    task, *_, mix, train = made.steps
    assert (task.options.n, mix.options.rows, train.options.steps, train.options.batch_size) == (20, 12, 8, 4)
    assert 8 * 4 / 12 == 24 * 8 / 72


@pytest.fixture
def no_measuring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "measured", lambda progress: 1 / 0)


@pytest.mark.usefixtures("no_measuring")
def test_a_folder_with_another_run_is_refused(datagen: Any, write_jsonl: Any) -> None:
    write_jsonl("rows.jsonl", {"instruction": "Say yes.", "output": "yes"})
    assert datagen("filter", "rows.jsonl", "-o", "out", "--stage", "rules").returncode == 0
    done = datagen("demo", "-o", "out")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "datagen: out holds another run; give -o a folder of its own\n"


def test_full_and_minutes_contradict_each_other(datagen: Any) -> None:
    done = datagen("demo", "-o", "out", "--full", "--minutes", "2")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1) and "leave out --minutes" in done.stderr


@pytest.mark.usefixtures("no_measuring")
def test_a_demo_that_was_begun_goes_on_at_its_size_and_nothing_is_measured(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(demo.recipe(Size(20, 8, 4)).written()))
    begun = demo.begun(tmp_path)
    assert begun is not None and begun.steps == demo.recipe(Size(20, 8, 4)).steps
    assert demo.begun(tmp_path / "elsewhere") is None
