"""The best learning rate, rank and batch by short runs: Optuna's search, each trial on disk when it ends, and a second look.

Source: the tree-structured Parzen estimator of Bergstra et al. 2011 and the median rule of Golovin et al. 2017, as Optuna has
them (Akiba et al. 2019). The sampler of each trial has a seed of its own: a search that was stopped goes on as it would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datagen import options as option_fields
from datagen.data.rows import Row
from datagen.data.shards import fingerprint, iterate_rows, read_json, write_json
from datagen.errors import DataError, UsageError
from datagen.formats import splits
from datagen.recipe import make
from datagen.runner import execute
from datagen.studies.arms import drawn
from datagen.studies.effects import effect
from datagen.studies.folder import held
from datagen.studies.inner import Inner
from datagen.studies.tune_options import TuneOptions
from datagen.training.options import TrainOptions
from datagen.work import Progress, side_rows

VERSION = 1
FILE = "tune.json"
RANKS, BATCHES = (4, 8, 16, 32, 64), (4, 8, 16, 32)
AROUND = 8.0  # times the usual learning rate, up and down, that is searched
PLACES = 10  # of a trial at which its training loss is looked at
FIRST = 4  # trials that are never ended early, for the median of the others
HELD_OUT = 0.1  # of the rows, where none are named


class _EndedError(Exception):
    """A trial that the median rule ends early."""


@dataclass
class Search:
    """A search at work in a folder."""

    paths: Sequence[str]
    options: TuneOptions
    out: Path
    progress: Progress

    def result(self) -> dict[str, Any]:
        """Do the trials that are not done yet and the second look; return what tune.json says.

        Raises:
            DataError: too few rows.
            UsageError: Optuna is not installed.
        """
        try:
            import optuna
        except ImportError:
            raise UsageError("tune needs the extra: pip install 'datagen[tune]'") from None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        with held(self.out):
            rows, tasks = self._rows()
            trainer = _Trainer(self.options, rows, tasks)
            study = optuna.create_study(pruner=optuna.pruners.MedianPruner(FIRST, n_warmup_steps=PLACES // 3))
            study.enqueue_trial(_defaults(self.options))
            trials = self._trials(study, trainer)
            told = {
                "version": VERSION, "options": option_fields.values(self.options), "rows": len(rows), "tasks": len(tasks),
                "trials": trials, **self._second_look(study.best_params, trainer),
            }  # fmt: skip
            write_json(self.out / FILE, told)
            return told

    def _rows(self) -> tuple[list[Row], list[Row]]:
        """The rows of every trial, and those that it is judged by."""
        options = self.options
        if options.eval:
            rows, tasks = [r for p in self.paths for r in side_rows("rows", p)], side_rows("eval", options.eval, splits.ONE)
        else:
            folder = self.out / "parts"
            whole = make([{"split": {"test": max(8, round(HELD_OUT * options.rows)), "seed": options.seed}}], input=self.paths)
            execute(whole, folder, progress=Inner(self.progress))
            rows, tasks = list(iterate_rows(folder / "kept")), list(iterate_rows(folder / "test"))
        if len(rows) < max(BATCHES) or not tasks:
            raise DataError(f"tune: {len(rows):,} rows to train on and {len(tasks):,} to judge by are too few: give more rows")
        return drawn(rows, options.rows, options.seed), tasks

    def _trials(self, study: Any, trainer: _Trainer) -> list[dict[str, Any]]:
        """Ask for settings and train, or take what is recorded of them."""
        import optuna

        told = []
        self.progress.step("trials", self.options.trials, "trials")
        for number in range(self.options.trials):
            study.sampler = optuna.samplers.TPESampler(seed=self.options.seed + number, n_startup_trials=FIRST)
            trial = study.ask(_space(self.options, optuna))
            done = self._trial(trial, trainer)
            if done["loss"] is None:
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            else:
                study.tell(trial, done["loss"])
            told.append({"number": number, **{k: v for k, v in done.items() if k != "mark"}})
            self.progress.at(number + 1, f"best {study.best_value:.4f}")
        return told

    def _trial(self, trial: Any, trainer: _Trainer) -> dict[str, Any]:
        """What a trial comes to: recorded, or trained now; `loss` is None where it was ended early."""
        path = self.out / "trials" / f"{trial.number:04d}.json"
        mark = fingerprint(trainer.mark, trial.params, [t.values for t in trial.study.get_trials(deepcopy=False)][:-1])
        before: dict[str, Any] | None = read_json(path)
        if before and before.get("mark") == mark:
            for place, told in before["losses"]:
                trial.report(told, place)
            return before
        losses: list[tuple[int, float]] = []

        def at(place: int, loss: float) -> None:
            losses.append((place, loss))
            trial.report(loss, place)
            if trial.should_prune():
                raise _EndedError

        try:
            loss: float | None = trainer.loss(trial.params, self.options.seed, at)
        except _EndedError:
            loss = None
        path.parent.mkdir(parents=True, exist_ok=True)
        done = {"mark": mark, "settings": trial.params, "loss": loss, "losses": losses}
        write_json(path, done)
        return done

    def _second_look(self, best: dict[str, Any], trainer: _Trainer) -> dict[str, Any]:
        """Train the best settings and the defaults with other seeds, in pairs."""
        usual = _defaults(self.options)
        seeds = [self.options.seed + 1 + n for n in range(self.options.confirm)]
        self.progress.step("second look", 2 * len(seeds), "runs")
        found: dict[str, list[float]] = {"best": [], "defaults": []}
        for at, (seed, name) in enumerate((s, n) for s in seeds for n in found):
            settings = best if name == "best" else usual
            path = self.out / "second" / f"{name}-{seed}.json"
            mark = fingerprint(trainer.mark, settings, seed)
            done = read_json(path)
            if not done or done.get("mark") != mark:
                path.parent.mkdir(parents=True, exist_ok=True)
                done = {"mark": mark, "loss": trainer.loss(settings, seed)}
                write_json(path, done)
            found[name].append(done["loss"])
            self.progress.at(at + 1)
        gained = effect(found["defaults"], found["best"])
        told = {name: round(value, 6) for name, value in gained._asdict().items()}
        return {"best": best, "defaults": usual, "gained": {**told, "shown": gained.shown}, "second": {"seeds": seeds, **found}}


class _Trainer:
    """Trains the base on the same rows with other settings; it comes back unchanged."""

    def __init__(self, options: TuneOptions, rows: Sequence[Row], tasks: Sequence[Row]) -> None:
        from datagen.models.adapter import identity
        from datagen.models.causal_lm import load

        self._options, self._rows, self._tasks = options, rows, tasks
        self.mark = fingerprint(
            VERSION, identity(options.model), options.method, [row["id"] for row in rows], [row["id"] for row in tasks]
        )
        self._base = load(options.model)

    def loss(self, settings: dict[str, Any], seed: int, at: Any = None) -> float:
        """Return the held-out loss after one pass; `at` is told ten times what the training loss is, and may end it."""
        from datagen.render.today import MEASURED_ON
        from datagen.training.loop import train

        how = TrainOptions(model=self._options.model, method=self._options.method, seed=seed, date=MEASURED_ON, **settings)
        recent: list[float] = []
        places = 0

        def on_step(line: dict[str, Any]) -> None:
            nonlocal places
            if line.get("loss") is not None:
                recent.append(float(line["loss"]))
            reached = PLACES * int(line["step"]) // int(line["steps"])
            if at and recent and reached > places:
                places = reached
                told, recent[:] = sum(recent) / len(recent), []
                at(places, told)

        done = train(self._rows, how, None, self._tasks, on_step, base=self._base)
        assert done.eval_after is not None  # rows to measure on were given
        return float(done.eval_after["loss"])


def _defaults(options: TuneOptions) -> dict[str, Any]:
    """The settings that are taken where nobody says others, of those that are searched."""
    usual = TrainOptions(model=options.model, method=options.method)
    every = {"lr": usual.peak_lr, "lora_r": usual.lora_r, "batch_size": usual.batch_size}
    return {
        name: every[name] for name in every if name in options.search and not (options.method == "full" and name == "lora_r")
    }


def _space(options: TuneOptions, optuna: Any) -> dict[str, Any]:
    usual = _defaults(options)
    kinds = {
        "lr": lambda value: optuna.distributions.FloatDistribution(value / AROUND, value * AROUND, log=True),
        "lora_r": lambda value: optuna.distributions.CategoricalDistribution(sorted({*RANKS, value})),
        "batch_size": lambda value: optuna.distributions.CategoricalDistribution(sorted({*BATCHES, value})),
    }
    return {name: kinds[name](value) for name, value in usual.items()}
