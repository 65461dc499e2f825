"""The demo takes a size that fits the machine; what was taken is gone on with."""

from __future__ import annotations

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


def test_the_command_measures_nothing_where_a_demo_was_begun(datagen, tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(demo, "measured", lambda: 1 / 0)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".datagen").touch()
    (tmp_path / "out" / "recipe.yaml").write_text("input: rows.jsonl\nsteps: [rules]\n")
    (tmp_path / "rows.jsonl").write_text('{"instruction": "Say yes.", "output": "yes"}\n')
    done = datagen("demo", "-o", "out")
    assert done.returncode == 0, done.stderr
    assert "rules" in done.stdout
