"""What each quality stage of a recipe buys: arms without it, trained on equal budgets with paired seeds, measured elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from statistics import fmean
from typing import Any

from datagen import options as option_fields
from datagen.data.rows import Row
from datagen.data.shards import fingerprint, iterate_rows, read_json, write_json
from datagen.errors import DataError, UsageError
from datagen.formats import splits
from datagen.recipe import Recipe, make
from datagen.runner import execute
from datagen.studies.ablate_options import AblateOptions
from datagen.studies.arms import RANDOM, WHOLE, alike_in_length, drawn, length, recipes, smallest
from datagen.studies.effects import effect
from datagen.studies.folder import held
from datagen.studies.inner import Inner
from datagen.training.options import TrainOptions
from datagen.work import Progress, side_rows, source_name

VERSION = 1
FILE = "ablation.json"
RIGHT = ("final", "exact", "chosen")  # measures of an answer that say whether it is right, the surest first
Fit = Callable[[Sequence[Row], TrainOptions, Sequence[Row], Path | None], dict[str, Any]]
FEWEST = 8  # rows of a run; fewer say nothing


@dataclass
class Study:
    """An ablation at work in a folder."""

    recipe: Recipe
    options: AblateOptions
    out: Path
    progress: Progress
    workers: int | None = None
    allow_wipeout: bool = False

    def result(self) -> dict[str, Any]:
        """Do what is not done yet; return what ablation.json says.

        Raises:
            DataError: an arm keeps too few rows, or rows of --eval are trained on.
            UsageError: the recipe has nothing that can be left out.
        """
        arms = recipes(self.recipe)
        with held(self.out):
            return self._result(arms)

    def _result(self, arms: Mapping[str, Recipe]) -> dict[str, Any]:
        tasks = [row for path in self.options.eval for row in _of_file(path)]
        pools = self._pools(arms)
        _check_apart(pools, tasks)
        count = self._rows_of_a_run(pools)
        taken = self._taken(pools, count)
        measured = self._measured(taken, tasks)
        told = _told(self.options, pools, taken, measured, len(tasks))
        write_json(self.out / FILE, told)
        return told

    def _pools(self, arms: Mapping[str, Recipe]) -> dict[str, list[Row]]:
        """The rows that each arm's recipe keeps; each is a run folder of its own."""
        pools = {}
        for name, recipe in arms.items():
            folder = self.out / "pools" / _file_name(name)
            self.progress.say(f"rows of the arm '{name}'")
            execute(recipe, folder, progress=Inner(self.progress), workers=self.workers, allow_wipeout=self.allow_wipeout)
            pools[name] = list(iterate_rows(folder / "kept"))
        return pools

    def _rows_of_a_run(self, pools: Mapping[str, Sequence[Row]]) -> int:
        name, fewest = smallest(pools)
        if fewest < FEWEST:
            raise DataError(f"the arm '{name}' keeps {fewest} rows, too few to train on: give more rows")
        if self.options.rows is not None and self.options.rows > fewest:
            raise UsageError(f"ablate: --rows {self.options.rows:,}, and the arm '{name}' keeps {fewest:,}: give that, or less")
        return self.options.rows or fewest

    @property
    def seeds(self) -> list[int]:
        """The seeds of the runs of each arm."""
        return [self.options.seed + n for n in range(self.options.seeds)]

    def _taken(self, pools: Mapping[str, Sequence[Row]], count: int) -> dict[str, dict[int, list[Row]]]:
        """Arm -> seed -> the rows that are trained on."""
        taken: dict[str, dict[int, list[Row]]] = {}
        for name, rows in pools.items():
            for seed in self.seeds:
                mine = drawn(rows, count, seed) if name != RANDOM else alike_in_length(rows, taken[WHOLE][seed], seed)
                taken.setdefault(name, {})[seed] = mine
        return taken

    def _measured(
        self, taken: Mapping[str, Mapping[int, Sequence[Row]]], tasks: Sequence[Row]
    ) -> dict[str, dict[int, dict[str, Any]]]:  # fmt: skip
        """Arm -> seed -> what its run was measured to be; seed by seed, so that what is done first is comparable."""
        from datagen.models.adapter import identity

        settings, what = self._settings(), [row["id"] for row in tasks]
        model, fit = identity(settings.model), _trainer(settings.model)
        found: dict[str, dict[int, dict[str, Any]]] = {name: {} for name in taken}
        whole = [(seed, name) for seed in self.seeds for name in taken]
        self.progress.step("runs", len(whole), "runs")
        done: dict[str, dict[str, Any]] = {}
        for at, (seed, name) in enumerate(whole):
            rows = taken[name][seed]
            own = replace(settings, seed=seed, steps=self.options.steps or -(-len(rows) // settings.batch_size))
            mark = fingerprint(
                VERSION, model, option_fields.values(own), [row["id"] for row in rows], what, self.options.accuracy
            )
            if mark not in done:  # an arm whose stage dropped nothing that was drawn has the run of the whole one
                done[mark] = self._run(f"{_file_name(name)}-{seed}", mark, rows, tasks, own, fit)
            found[name][seed] = done[mark]
            self.progress.at(at + 1)
        return found

    def _settings(self) -> TrainOptions:
        """How every run trains: as the recipe's last step does, where it is one."""
        from datagen.render.today import MEASURED_ON

        given = next((step.options for step in self.recipe.steps if isinstance(step.options, TrainOptions)), None)
        own = {f.name: getattr(given, f.name) for f in fields(TrainOptions)} if given else {"model": self.options.model}
        own |= {"batch_size": self.options.batch_size, "minutes": None, "date": own.get("date") or MEASURED_ON}
        own |= {} if self.options.lr is None else {"lr": self.options.lr}
        return TrainOptions(**own)

    def _run(
        self, name: str, mark: str, rows: Sequence[Row], tasks: Sequence[Row], own: TrainOptions, fit: Fit
    ) -> dict[str, Any]:
        """A run, or what is recorded of it."""
        path = self.out / "runs" / f"{name}.json"
        before: dict[str, Any] | None = read_json(path)
        if before and before.get("mark") == mark:
            return before
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = path.with_suffix("") if self.options.accuracy else None
        done = {"mark": mark, **fit(rows, own, tasks, folder)}
        if folder:
            done["accuracy"] = self._accuracy(folder)
        write_json(path, done)
        return done

    def _accuracy(self, folder: Path) -> float:
        """The share of right answers of a trained model, over the tasks whose answers can be compared."""
        trained = next(folder / name for name in ("adapter", "model") if (folder / name).is_dir())
        asked = {"model": str(trained), "measures": ["answer"], "items": self.options.accuracy, "seed": self.options.seed}
        recipe = make([{"eval": asked}], input=self.options.eval)
        stage = execute(recipe, folder / "eval", progress=Inner(self.progress), workers=self.workers).summary["stages"][-1]
        right = [one for one in stage["evaluation"]["numbers"] if not one["part"] and one["measure"] in RIGHT]
        if not right:
            raise DataError("none of the rows of --eval has an answer that can be compared: leave --accuracy out")
        best = {one["task"]: one for one in sorted(right, key=lambda one: RIGHT.index(one["measure"]), reverse=True)}
        items = sum(one["items"] for one in best.values())
        return float(sum(one["value"] * one["items"] for one in best.values()) / items)


def _file_name(arm: str) -> str:
    return arm.replace(" ", "-")


def _of_file(path: str) -> list[Row]:
    """The rows of a file, under its name where they have no source of their own."""
    return [{**row, "source": row["source"] or source_name(path)} for row in side_rows("eval", path, splits.ONE)]


def _trainer(model: str) -> Fit:
    """Load the base once, and return the function that trains on it: it comes back unchanged."""
    from datagen.models.causal_lm import load
    from datagen.training.loop import train

    base = load(model)

    def fit(rows: Sequence[Row], settings: TrainOptions, tasks: Sequence[Row], out: Path | None) -> dict[str, Any]:
        done = train(rows, settings, out, tasks, base=base)
        assert done.eval_after is not None
        assert done.eval_before is not None  # rows to evaluate on were given
        after = done.eval_after
        return {
            "loss": after["loss"], "by_source": after["by_source"], "before": done.eval_before["loss"],
            "tokens": done.label_tokens, "seconds": round(done.seconds, 3),
        }  # fmt: skip

    return fit


def _check_apart(pools: Mapping[str, Sequence[Row]], tasks: Sequence[Row]) -> None:
    """Raise UsageError where rows that models are measured on are among those that are trained on."""
    asked = {_task(row) for row in tasks}
    if both := {task for rows in pools.values() for row in rows if (task := _task(row)) in asked}:
        raise UsageError(
            f"ablate: {len(both):,} tasks of --eval are among the rows that are trained on; hold them out with"
            " `datagen split`, or name other rows"
        )


def _task(row: Row) -> str:
    turns = row["messages"] or ()
    asked = "\n".join(turn["content"] or "" for turn in turns if turn["role"] == "user")
    return " ".join(f"{row['instruction']}\n{row['input']}\n{asked}".split()).casefold()


def _told(
    options: AblateOptions, pools: Mapping[str, Sequence[Row]], taken: Mapping[str, Mapping[int, Sequence[Row]]],
    measured: Mapping[str, Mapping[int, Mapping[str, Any]]], tasks: int,
) -> dict[str, Any]:  # fmt: skip
    """What ablation.json says: the arms, and what each stage bought."""
    names = ["loss", *(["accuracy"] if options.accuracy else [])]
    seeds, whole = list(taken[WHOLE]), measured[WHOLE]
    others = [arm for arm in measured if arm != WHOLE]
    arms: dict[str, dict[str, Any]] = {
        arm: {
            "kept": len(pools[arm]), "rows": len(taken[arm][seeds[0]]),
            "characters": round(fmean(length(row) for seed in seeds for row in taken[arm][seed]), 1),
            "other_rows": round(fmean(_others(taken[arm][seed], taken[WHOLE][seed]) for seed in seeds), 1),
            **{name: round(fmean(runs[seed][name] for seed in seeds), 6) for name in names},
            "runs": [{"seed": seed, **{k: v for k, v in runs[seed].items() if k != "mark"}} for seed in seeds],
        }
        for arm, runs in measured.items()
    }  # fmt: skip
    effects = []
    for arm in others:
        for name in names:
            one, other = ([runs[seed][name] for seed in seeds] for runs in (measured[arm], whole))
            # More loss without it is what it bought; of right answers it is the other way round.
            found = effect(one, other, len(others)) if name == "loss" else effect(other, one, len(others))
            effects.append({
                "arm": arm, "stage": arm.removeprefix("without ") if arm != RANDOM else None, "measure": name,
                "bought": round(found.value, 6), "low": round(found.low, 6), "high": round(found.high, 6),
                "could_see": round(found.could_see, 6), "shown": found.shown,
            })  # fmt: skip
    return {
        "version": VERSION, "options": option_fields.values(options), "tasks": tasks, "seeds": seeds,
        "steps": options.steps or -(-arms[WHOLE]["rows"] // options.batch_size), "arms": arms, "effects": effects,
    }  # fmt: skip


def _others(rows: Sequence[Row], than: Sequence[Row]) -> int:
    return len({row["id"] for row in rows} - {row["id"] for row in than})
