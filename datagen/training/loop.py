"""The training loop: rows → a fine-tuned model, the same every time.

Each step is a function of (rows, options, step): the batch order and the seed of dropout are derived, never drawn. That makes
two runs equal bit for bit on one machine, and a resumed run equal to an unbroken one.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from datagen.data.rows import Row
from datagen.errors import ModelError, UsageError
from datagen.training import checkpoint
from datagen.training.arrangement import chosen
from datagen.training.batches import Course, Plan, Sample, course_of
from datagen.training.environment import differs, environment
from datagen.training.evaluate import Evaluation, evaluate
from datagen.training.forecast import Forecast, forecast, steps_within, timed
from datagen.training.latency import latency
from datagen.training.loss import Network
from datagen.training.methods import check_moved, seeded, trainable
from datagen.training.objective import Objective, log_probabilities, objective_of, referred
from datagen.training.optimiser import adamw, set_for_training
from datagen.training.options import TrainOptions
from datagen.training.outcome import Trained, trained_of
from datagen.training.parallel import ALONE, World, clip, put, shard, whole
from datagen.training.passes import MICRO_TOKENS, Arrangement, Layout, split_of
from datagen.training.pipeline import PipelineStage
from datagen.training.prepare import Prepared, begun_in, date_here, prepared
from datagen.training.saving import written
from datagen.training.show import SILENT, Show
from datagen.training.signals import Heard, heard, stopped
from datagen.training.spikes import (
    KEPT_EVERY,
    NAMED,
    NEAR,
    LastGood,
    Skipped,
    outside,
    refuse_more,
    refuse_none_taken,
    worst_first,
)
from datagen.training.start import Base, based, check_vocabulary
from datagen.training.step_log import StepLog, metrics
from datagen.training.tensor_parallel import cut_layers

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer


__all__ = ["TrainOptions", "Trained", "train"]


SAVE_EVERY_S = 120.0  # most seconds of steps that a kill can cost, beside `save_every`


def train(
    rows: Sequence[Row],
    options: TrainOptions,
    out: Path | None,
    eval_rows: Sequence[Row] | None = None,
    on_step: Callable[[dict[str, Any]], None] | None = None,
    base: tuple[Any, Any] | None = None,
    show: Show = SILENT,
    world: World = ALONE,
) -> Trained:
    """Fine-tune a model on rows.

    Args:
        rows: each is seen `repeat` times per epoch.
        options: all that the result depends on besides the rows.
        out: folder for adapter/ (or model/), metrics.jsonl, steps.parquet and, while it runs, checkpoint/; None writes nothing.
        eval_rows: rows whose loss is measured before and after.
        on_step: called after each step with its line of metrics.jsonl and `steps`, how many there are in all.
        base: a loaded (model, tokenizer) to start from instead of `options.model`; it comes back unchanged.
        show: is told how far it is, the forecast, and each step that is left out.
        world: the processes that train together, each of which calls this with the same; the first one writes.

    Raises:
        DataError: no row can be trained on.
        ModelError: the model is not there, or losses are not finite; or `Stopped`: by a signal, after a checkpoint in `out`.
    """
    start = based(options, base, world.device, identify=out is not None)
    begun = begun_in(out, options)
    if options.set and out and not begun:
        raise UsageError(f"train: --set goes on with a stopped run, and {out} has no checkpoint: give the options themselves")
    today = world.told(date_here())
    ready = prepared(rows, eval_rows, start, options, begun, out if world.writes else None, today)
    if world.told(ready.mark) != ready.mark:
        raise ModelError("the processes of this run made other texts of its rows: their code or their model differs")
    given = options.begun_with()
    options, history = checkpoint.changed(options, begun[1] if begun and begun[0] == ready.mark else None)
    check_vocabulary(start.model, ready.samples)
    with trainable(start, options) as network, set_for_training(network, options):
        run = _Run(network, start, options, ready, out, show, given, history, world)
        progress, after = run.all_steps(on_step)
        refuse_none_taken(progress.skipped, run.plan.steps)
        done = run.gathered_model()
        slower = None
        if out and options.method != "full" and not world.cut:
            show.step("the adapter's latency", None, "")
            slower = latency(network, options.method)
        trained = trained_of(ready, progress, after, slower, run.plan.steps, run.layout.how, half=start.half)
        if out and world.writes:
            trained = replace(trained, folder=written(done, start, options, out, ready.samples, trained))
            checkpoint.remove(out)
    return trained


def foreseen(rows: Sequence[Row], options: TrainOptions, eval_rows: Sequence[Row] | None) -> tuple[Base, Prepared, Forecast]:
    """Return what a run alone would begin with, its texts, and what it will cost; nothing is written.

    Raises:
        DataError, ModelError: as `train`.
    """
    start = based(options, None, "", identify=False)
    ready = prepared(rows, eval_rows, start, options)
    check_vocabulary(start.model, ready.samples)
    with trainable(start, options) as network, set_for_training(network, options):
        run = _Run(network, start, options, ready, None, SILENT, {}, [], ALONE)
        return start, ready, run.forecast()


def _trained(model: Any) -> dict[str, Tensor]:
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


class _Run:
    """One run: a network with its optimiser, the plan of its batches, and how far it is."""

    def __init__(
        self, model: Any, start: Base, options: TrainOptions, ready: Prepared, out: Path | None,
        show: Show, facts: Mapping[str, Any], history: list[checkpoint.Change], world: World,
    ) -> None:  # fmt: skip
        self.facts, self.history, self.world = facts, history, world
        self.model, self.options, self.ready, self.out, self.show = model, options, ready, out, show
        self.device, self.half = start.device, start.half
        self.objective: Objective = objective_of(options)
        smoothing = 0.0 if self.objective.paired else options.label_smoothing
        self.network = Network(model, smoothing=smoothing, noise=options.neftune, teacher=start.teacher)
        # Dropout would make a pair's two texts differ by chance.
        self.network.train(not self.objective.paired)
        self.samples, self.measured = ready.samples, ready.measured
        everything = [t for s in [*self.samples, *(self.measured[0] if self.measured else ())] for t in s.texts]
        found = chosen(model, self.network.without_noise, _trained(model), everything, noisy=options.neftune is not None)
        how: Arrangement = world.told(found)
        micro_tokens = options.micro_tokens or (MICRO_TOKENS if self.device == "cpu" else 8192)
        self.layout = Layout(how, micro_tokens, self.device, split_of(model))
        self.uncut = copy.deepcopy(model).to("cpu") if world.cut and world.writes and out else None
        self.stage = PipelineStage(self.network, world.rank, world.size) if world.staged else None
        self.partial = self.stage.shared if self.stage else cut_layers(model, world.mesh["tensor"]) if world.mesh else []
        if world.sharded:
            shard(self.network)
        self.trained = _trained(model)
        self.optimiser: Optimizer = adamw(model, self.trained, options, fused=world.mesh is None)
        self.plan = self._plan(options.steps)
        self.last_good = LastGood(self.trained, self.optimiser, world)

    def _plan(self, steps: int | None) -> Course:
        options = self.options

        def plan(samples: Sequence[Sample], steps: int | None) -> Plan:
            return Plan(samples, options.seed, options.batch_size, steps, options.epochs, options.batch_warmup)

        if not options.lengths:
            return Course([(plan(self.samples, steps), options.lr_at)])
        rates = [(length, count, replace(options, lr=rate, lengths=()).lr_at) for length, count, rate in options.stages]
        return course_of(self.samples, plan, rates)

    def all_steps(
        self, on_step: Callable[[dict[str, Any]], None] | None
    ) -> tuple[checkpoint.Progress, Evaluation | None]:  # fmt: skip
        """Evaluate, take every step that a checkpoint has not taken, evaluate again."""
        started = time.monotonic()
        out, options, world = self.out, self.options, self.world
        log_to = out if world.writes else None
        progress = None
        if out and options.fresh and world.writes:  # else what is killed before its first checkpoint would go on from it
            checkpoint.remove(out)
        held = checkpoint.read_mark(out) if out and not options.fresh else None
        if held is None or held[0] == self.ready.mark:
            self._refer()  # by the weights of the start, which a checkpoint changes
        if out and not options.fresh:
            progress = checkpoint.restore(out, self.ready.mark, self.trained, self.optimiser, self.facts, self.last_good)
        progress = self._begun() if progress is None else self._gone_on(progress)
        if progress.steps:
            self.plan = self._plan(progress.steps)
        if self.last_good.held() is None:
            self.last_good.keep(progress.step)
        earlier = progress.seconds
        saved = time.monotonic()
        log = StepLog(log_to, progress.step)
        self.show.step("", self.plan.steps, "steps")
        self.show.at(progress.step)
        with metrics(log_to, progress.step) as write, heard() if out else contextlib.nullcontext(Heard()) as word:
            for step in range(progress.step, self.plan.steps):
                line, progress = self._step(step, progress, log)
                progress = replace(progress, seconds=earlier + time.monotonic() - started)
                line["seconds"] = round(progress.seconds, 3)
                write(line)
                self.show.at(step + 1, "left out" if line["loss"] is None else f"loss {line['loss']:.3f}")
                if on_step and world.writes:
                    on_step({**line, "steps": self.plan.steps})
                due = (step + 1) % options.save_every == 0 or time.monotonic() - saved >= SAVE_EVERY_S
                # After the last step always: what follows may be stopped, or find the disk full.
                # Read once: one that comes while this is decided is of the next step.
                number = word.signal
                due = bool(out and (number or due or step + 1 == self.plan.steps))
                due, number = world.told((due, number))
                if out and due:
                    log.save()
                    checkpoint.save(
                        out, self.ready.mark, progress, self.trained, self.optimiser, self.facts, world, self.last_good
                    )
                    saved = time.monotonic()
                if number:
                    raise stopped(step + 1, self.plan.steps, number, fresh=options.fresh)
        log.save()
        after = self._evaluated("measure after")
        return replace(progress, seconds=earlier + time.monotonic() - started), after

    def _gone_on(self, progress: checkpoint.Progress) -> checkpoint.Progress:
        """Say what differs from when a checkpoint was written: the run will be the same but for rounding."""
        now = environment(self.device)
        if (changed := differs(progress.environment, now)) and self.world.writes:
            self.show.say(f"it goes on after step {progress.step} in another environment, equal but for rounding: {changed}")
        return replace(progress, history=self.history, environment=now)

    def _begun(self) -> checkpoint.Progress:
        """Say what the run will cost, choose its steps where its minutes are given, and measure it before the first one."""
        chosen_steps = self.options.minutes is not None
        if self.out or chosen_steps:
            found = self.forecast()
            if self.out and self.world.writes:  # a proxy of a mixture says nothing
                self.show.say(found.words())
        steps = self.plan.steps if chosen_steps else 0
        here = environment(self.device)
        before = self._evaluated("measure before")
        return checkpoint.Progress(
            0, [], 0, 0, 0.0, before, self.ready.date, steps=steps, history=self.history, environment=here
        )  # fmt: skip

    def forecast(self) -> Forecast:
        """Time short passes of the first texts, and choose the steps where minutes are given."""
        batch = self.plan.batch(0)
        if self.objective.paired and not self.out:  # whatever the reference says, a pass takes as long
            batch = referred(batch, [(0.0, 0.0)] * len(batch))
        with seeded(self.options.seed, self.device), torch.autocast(self._kind, dtype=torch.bfloat16, enabled=self.half):
            measured = self.measured[0] if self.measured else []
            asked = {"measures": bool(measured), "twice": self.options.minutes is not None}
            cost = timed(self.network, self.objective, batch, self.layout, self.trained, **asked)
        model = self.uncut if self.stage and self.uncut is not None else self.model
        found = forecast(cost, self.plan, self.samples, measured, self.layout, model, _trained(model), self.world.shares)
        if self.options.minutes is not None:
            self.plan = self._plan(self.world.told(steps_within(self.options.minutes, found)))
        return replace(found, steps=self.plan.steps)

    def _refer(self) -> None:
        """Give pairs the log-probabilities of the model before the first step, which a checkpoint keeps."""
        if not self.objective.paired:
            return
        groups = [self.samples, self.measured[0] if self.measured else []]
        known = self.world.told(checkpoint.read_reference(self.out, self.ready.mark) if self.out else None)
        if known is None:
            with torch.autocast(
                self._kind, dtype=torch.bfloat16, enabled=self.half
            ):  # as in the steps: else they differ at once
                known = [pair for group in groups for pair in log_probabilities(self.network, group, self.layout)]
            if self.out and self.world.writes:
                checkpoint.write_reference(self.out, self.ready.mark, known)
        self.samples = referred(self.samples, known[: len(self.samples)])
        if self.measured:
            self.measured = (referred(self.measured[0], known[len(self.samples) :]), self.measured[1])
        self.plan = self._plan(self.options.steps)

    def gathered_model(self) -> Any:
        """Return the model to write, its weights whole; where no process has all of them each gives its own."""
        if not self.world.cut:
            return self.model
        found = self.world.collected({name: whole(p) for name, p in self.trained.items()})
        for name, p in self.uncut.named_parameters() if self.uncut is not None else ():
            if name in found:
                put(p, found[name])
        return self.uncut

    def _evaluated(self, when: str) -> Evaluation | None:
        if self.measured is None:
            return None
        self.show.step(when, len(self.world.share(self.measured[0])), "rows")
        return evaluate(self.network, *self.measured, self.objective, self.layout, self.world, self.show.at)

    @property
    def _kind(self) -> str:
        return self.device.partition(":")[0]

    def _step(
        self, step: int, progress: checkpoint.Progress, log: StepLog
    ) -> tuple[dict[str, Any], checkpoint.Progress]:  # fmt: skip
        """Take one optimiser step over one global batch; return its line of metrics, and how far the run is then."""
        options, batch = self.options, self.plan.batch(step)
        # Of dropout and noise, which are others for each share of the rows.
        with seeded(options.seed * 1_000_003 + step + (self.world.share_at << 40), self.device):
            loss, own = self._gradient(batch)
        norm = clip(self.trained, options.clip, self.world, self.partial)
        log.add(step + 1, own)
        lr = self.plan.lr(step) * options.spike_lr_factor ** len(progress.skipped)
        line: dict[str, Any] = {
            "step": step + 1, "loss": loss, "lr": lr, "grad_norm": norm,
            "tokens": sum(len(t.input_ids) for s in batch for t in s.texts),
            "label_tokens": sum(t.label_tokens for s in batch for t in s.texts),
        }  # fmt: skip
        counted: dict[str, Any] = {"step": step + 1, "tokens": progress.tokens + line["tokens"]}
        found = (("loss", loss, progress.losses), ("gradient norm", norm, progress.norms))
        # Told by one: where the processors differ, so may the last bits of what they compared.
        spike = self.world.told(next((one for one in found if outside(*one, options.spike)), None))
        if spike:
            skipped = self._left_out(step, spike[0], spike[1], own, progress.skipped)
            line |= {"loss": None, "grad_norm": None, "skipped": f"{skipped['what']} {skipped['value']}"}
            counted |= {"losses": [*progress.losses, None], "norms": [*progress.norms, None]}
            return line, replace(progress, **counted, skipped=[*progress.skipped, skipped])
        for group in self.optimiser.param_groups:
            group["lr"] = lr
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        if step == 0:
            check_moved(self.trained, options.method)
        if (step + 1) % KEPT_EVERY == 0:
            self.last_good.keep(step + 1)
        counted["label_tokens"] = progress.label_tokens + line["label_tokens"]
        return line, replace(progress, **counted, losses=[*progress.losses, loss], norms=[*progress.norms, norm])

    def _gradient(self, batch: Sequence[Sample]) -> tuple[float, list[tuple[Sample, float]]]:
        """Compute the gradient of a global batch; return its loss, and each sample's own."""
        weight = self.objective.weight(batch)  # of the whole batch: any cut of it gives the same gradient
        totals: list[Tensor] = []
        samples: list[Sample] = []
        own: list[Tensor] = []
        ahead = self.stage.ahead if self.stage else 0
        waiting: deque[Tensor] = deque()
        parts = list(self.layout.passes(self.world.share(batch)))
        for at, part in enumerate(self.world.evened(parts, lambda: next(self.layout.passes(batch[:1])))):
            with torch.autocast(self._kind, dtype=torch.bfloat16, enabled=self.half):
                measured = self.objective.measure(self.network, part)
            counts = self.world.scale() if at < len(parts) else 0.0
            waiting.append(measured.total / weight * counts)
            if len(waiting) > ahead:
                waiting.popleft().backward()  # type: ignore[no-untyped-call]
            if at >= len(parts):
                continue
            totals.append(measured.total.detach())
            samples += measured.samples
            own.append(measured.own)
        for loss in waiting:
            loss.backward()  # type: ignore[no-untyped-call]
        self.world.sum_gradients(self.trained, self.partial)
        # Copied once, here: a card would wait for each.
        summed = sum(t / weight for t in torch.stack(totals).tolist()) if totals else 0.0
        places = {id(sample): place for place, sample in enumerate(batch)}  # a sample is the same everywhere by its place
        mine = [(places[id(s)], loss) for s, loss in zip(samples, torch.cat(own).tolist(), strict=True)] if own else []
        if self.world.size > 1:
            summed = self.world.sum(torch.tensor(summed, dtype=torch.float32, device=self.device)).item()
        summed, found = self.world.told_by_last((summed, self.world.gathered(mine)))
        return summed, [(batch[place], loss) for place, loss in found]

    def _left_out(
        self, step: int, what: str, value: float, own: Sequence[tuple[Sample, float]], before: Sequence[Skipped]
    ) -> Skipped:  # fmt: skip
        """Take no step, and go back further where the last spike is near; raises ModelError where there were too many."""
        self.optimiser.zero_grad(set_to_none=True)
        back_to = step
        if before and step + 1 - before[-1]["step"] <= NEAR and (kept := self.last_good.put_back()) is not None:
            back_to = kept
        ids = worst_first(own)
        skipped = Skipped(step=step + 1, what=what, value=f"{value:.4g}", back_to=back_to, ids=ids)
        refuse_more([*before, skipped])
        back = "" if back_to == step else f", and the state after step {back_to} is put back"
        named = ", ".join(ids[:NAMED])
        if self.world.writes:
            self.show.say(
                f"step {step + 1} is left out{back}: its {what} is {value:.4g}, far outside; its rows, worst first: {named}"
            )
        return skipped
