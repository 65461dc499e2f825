"""The training loop: rows → a fine-tuned model, the same every time.

Each step is a function of (rows, options, step): the batch order and the seed of dropout are derived, never drawn. That makes
two runs equal bit for bit on one machine, and a resumed run equal to an unbroken one.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from datagen import folders
from datagen.data.rows import Row
from datagen.errors import ModelError, Stopped
from datagen.json_text import dumps
from datagen.models.causal_lm import computes_in_bfloat16, load, pick_device, resolve
from datagen.render.template import with_template
from datagen.training import checkpoint
from datagen.training.adapters import check_moved, lora, save_adapter, save_full, seeded, trained_ends
from datagen.training.arrangement import chosen
from datagen.training.batches import Plan, Sample
from datagen.training.evaluate import Evaluation, evaluate
from datagen.training.loss import LabelHead, label_head, label_loss
from datagen.training.options import TrainOptions
from datagen.training.passes import MICRO_TOKENS, Arrangement, passes
from datagen.training.prepare import Prepared, begun_in, prepared
from datagen.training.step_log import StepLog

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer


__all__ = ["TrainOptions", "Trained", "train"]


SAVE_EVERY_S = 120.0  # most seconds of steps that a kill can cost, beside `save_every`


@dataclass(frozen=True)
class Trained:
    """What a run did.

    Losses are mean label losses in nats per token. `first_loss` and `last_loss` are means over the first and last quarter of
    the steps. `rows_used` and `left_out` (row id, reason) add up to the rows given.
    """

    losses: list[float]
    first_loss: float
    last_loss: float
    eval_before: Evaluation | None
    eval_after: Evaluation | None
    steps: int
    tokens: int  # that went through the model, padding not counted
    label_tokens: int  # of these, the ones that carried loss
    rows_used: int
    samples: int  # texts of these rows: more than rows where the chat template rewrites earlier turns
    left_out: list[tuple[str, str]]
    untaught: Mapping[str, int]  # turns of the rows used that are not learned: `turns_cut`, `empty_answers`
    date: str  # that the chat template shows as today, "" where it shows none
    seconds: float  # of the steps and evaluations, over all resumptions
    dtype: str  # of the arithmetic
    arrangement: Arrangement  # of the texts in a forward pass
    folder: Path | None  # the adapter or model that was written


def train(
    rows: Sequence[Row],
    options: TrainOptions,
    out: Path | None,
    eval_rows: Sequence[Row] | None = None,
    on_step: Callable[[dict[str, Any]], None] | None = None,
    base: tuple[Any, Any] | None = None,
) -> Trained:
    """Fine-tune a model on the answers of rows.

    Args:
        rows: each is seen `repeat` times per epoch.
        options: all that the result depends on besides the rows.
        out: folder for adapter/ (or model/), metrics.jsonl, steps.parquet and, while it runs, checkpoint/; None writes nothing.
        eval_rows: rows whose loss is measured before and after.
        on_step: called after each step with its line of metrics.jsonl and `steps`, how many there are in all.
        base: a loaded (model, tokenizer) to start from instead of `options.model`; it comes back unchanged.

    Raises:
        DataError: no row can be trained on.
        ModelError: the model is not there, or a loss is not finite; or `Stopped`: by a signal, after a checkpoint in `out`.
    """
    device = str(next(base[0].parameters()).device) if base else pick_device(options.device)
    half = computes_in_bfloat16(options.dtype, device)
    # LoRA may sit on rounded weights; whole weights must not lose small updates
    if options.dtype == "bfloat16" and not half:
        logging.getLogger(__name__).warning("this processor does not compute in bfloat16: the arithmetic is in float32")
    dtype = "bfloat16" if half and options.method == "lora" and device.startswith("cuda") else "float32"
    model, tokenizer = base or load(options.model, device, dtype)
    tokenizer = with_template(tokenizer, options.chat_template)  # it is saved with the adapter, so that a server shows the same
    most = min(options.max_length, getattr(model.config, "max_position_embeddings", None) or options.max_length)
    loads, identity = resolve(options.model) if out else ("", "")
    ready = prepared(rows, eval_rows, tokenizer, most, options, begun_in(out, options), identity)
    _check_vocabulary(model, ready.samples)
    plan = Plan(ready.samples, options.seed, options.batch_size, options.steps, options.epochs)
    machine = _Machine(device, half, options.micro_tokens or (MICRO_TOKENS if device == "cpu" else 8192))
    with _trainable(model, options, shared=base is not None) as network:
        progress, after, how = _run(network, plan, options, machine, ready, out, on_step)
        ends = trained_ends(ready.samples, tokenizer)
        folder = _written(network, tokenizer, options, out, (loads, identity), ends) if out else None
    if out:
        checkpoint.remove(out)
    quarter = max(1, plan.steps // 4)
    return Trained(
        losses=progress.losses, eval_before=progress.before, eval_after=after,
        first_loss=sum(progress.losses[:quarter]) / quarter, last_loss=sum(progress.losses[-quarter:]) / quarter,
        steps=plan.steps, tokens=progress.tokens, label_tokens=progress.label_tokens,
        rows_used=sum(s.part == 0 for s in ready.samples), samples=len(ready.samples), left_out=ready.left_out,
        untaught=ready.untaught, date=ready.date, seconds=progress.seconds, dtype="bfloat16" if half else "float32",
        arrangement=how, folder=folder,
    )  # fmt: skip


@dataclass(frozen=True)
class _Machine:
    """Where and how the arithmetic is done; `half`: in bfloat16, with float32 sums; micro_tokens: most of one pass."""

    device: str
    half: bool
    micro_tokens: int
    how: Arrangement = "padded"


def _check_vocabulary(model: Any, samples: Sequence[Sample]) -> None:
    """Check what would otherwise end as an index error deep inside the model."""
    rows = model.get_input_embeddings().weight.shape[0]
    if max(max(s.input_ids) for s in samples) >= rows:
        raise ModelError(f"the tokenizer has tokens that the model does not know (its vocabulary is {rows})")


@contextlib.contextmanager
def _trainable(model: Any, options: TrainOptions, shared: bool) -> Iterator[Any]:
    """Give the network to train; a model that the caller shares is unchanged afterwards."""
    if options.method == "lora":
        with lora(model, options.lora_r, options.lora_alpha, options.seed) as adapted:
            yield adapted
    else:
        own = copy.deepcopy(model) if shared else model
        yield own.requires_grad_(requires_grad=True)


def _run(
    network: Any,
    plan: Plan,
    options: TrainOptions,
    machine: _Machine,
    ready: Prepared,
    out: Path | None,
    on_step: Callable[[dict[str, Any]], None] | None,
) -> tuple[checkpoint.Progress, Evaluation | None, Arrangement]:
    """Evaluate, take every step that a checkpoint has not taken, evaluate again."""
    started = time.monotonic()
    measured, mark = ready.measured, ready.mark
    trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
    optimiser = _optimiser(network, trained, options)
    network.train()
    head = label_head(network)
    machine = replace(machine, how=chosen(network, head, trained, [*ready.samples, *(measured[0] if measured else ())]))
    progress = checkpoint.restore(out, mark, trained, optimiser, options.results()) if out and not options.fresh else None
    if progress is None:
        before = evaluate(network, *measured, machine.micro_tokens, machine.how) if measured else None
        progress = checkpoint.Progress(0, [], 0, 0, 0.0, before, ready.date)
    earlier = progress.seconds
    saved = time.monotonic()
    log = StepLog(out, progress.step)
    with _metrics(out, progress.step) as write, heard() if out else contextlib.nullcontext(Heard()) as word:
        for step in range(progress.step, plan.steps):
            line = _step(head, plan, step, options, machine, trained, optimiser, log)
            if step == 0 and options.method == "lora":
                check_moved(network)
            progress.losses.append(line["loss"])
            progress = replace(
                progress, step=step + 1, tokens=progress.tokens + line["tokens"],
                label_tokens=progress.label_tokens + line["label_tokens"], seconds=earlier + time.monotonic() - started,
            )  # fmt: skip
            line["seconds"] = round(progress.seconds, 3)
            write(line)
            if on_step:
                on_step({**line, "steps": plan.steps})
            due = (step + 1) % options.save_every == 0 or time.monotonic() - saved >= SAVE_EVERY_S
            # After the last step, only where something is left that takes long.
            if out and (word.signal or (due if step + 1 < plan.steps else measured)):
                log.save()
                checkpoint.save(out, mark, progress, trained, optimiser, options.results())
                saved = time.monotonic()
            if word.signal:
                raise stopped(step + 1, plan.steps, word, fresh=options.fresh)
    log.save()
    network.eval()
    after = evaluate(network, *measured, machine.micro_tokens, machine.how) if measured else None
    return replace(progress, seconds=earlier + time.monotonic() - started), after, machine.how


def _step(
    head: LabelHead,
    plan: Plan,
    step: int,
    options: TrainOptions,
    machine: _Machine,
    trained: Mapping[str, Tensor],
    optimiser: Optimizer,
    log: StepLog,
) -> dict[str, Any]:
    """Take one optimiser step over one global batch; return its line of metrics."""
    import torch

    batch = plan.batch(step)
    weight = sum(s.label_weight for s in batch)  # of the whole batch: any cut of it gives the same gradient
    kind = machine.device.partition(":")[0]
    loss = 0.0
    with seeded(options.seed * 1_000_003 + step, machine.device):  # of dropout, in models whose config has it
        for part in passes(batch, machine.how, machine.micro_tokens, machine.device):
            with torch.autocast(kind, dtype=torch.bfloat16, enabled=machine.half):
                total, by_text = label_loss(head, part)
            log.add(step + 1, part.samples, by_text.tolist())
            (total / weight).backward()  # type: ignore[no-untyped-call]
            loss += total.item() / weight
            if not math.isfinite(loss):
                lost = by_text.isfinite().logical_not().tolist()
                _stop(step, "loss", loss, [s for s, whether in zip(part.samples, lost, strict=True) if whether])
    norm = torch.nn.utils.clip_grad_norm_(list(trained.values()), options.clip).item()
    if not math.isfinite(norm):
        _stop(step, "gradient norm", norm, batch)
    lr = options.lr_at(step, plan.steps)
    for group in optimiser.param_groups:
        group["lr"] = lr
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return {
        "step": step + 1,
        "loss": loss,
        "lr": lr,
        "grad_norm": norm,
        "tokens": sum(len(s.input_ids) for s in batch),
        "label_tokens": sum(s.label_tokens for s in batch),
    }


def _stop(step: int, what: str, value: float, samples: Sequence[Sample]) -> None:
    ids = ", ".join(s.id for s in samples)
    raise ModelError(f"step {step + 1}: the {what} is {value}; lower the lr, or look at the rows of this batch: {ids}")


def _optimiser(network: Any, trained: Mapping[str, Tensor], options: TrainOptions) -> Optimizer:
    """Return AdamW over the trained parameters; norms, biases and embeddings never decay."""
    import torch

    embedded = {id(p) for m in network.modules() if isinstance(m, torch.nn.Embedding) for p in m.parameters()}
    still = [p for p in trained.values() if p.ndim < 2 or id(p) in embedded]
    decaying = [p for p in trained.values() if p.ndim >= 2 and id(p) not in embedded]
    groups = [{"params": decaying, "weight_decay": options.weight_decay}, {"params": still, "weight_decay": 0.0}]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=options.peak_lr, betas=(0.9, 0.95), fused=True)


@contextlib.contextmanager
def _metrics(out: Path | None, kept: int) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Give a function that appends a line to OUT/metrics.jsonl, whose first `kept` lines belong to a resumed run."""
    if out is None:
        yield lambda _: None
        return
    out.mkdir(parents=True, exist_ok=True)
    path = out / "metrics.jsonl"
    # A damaged line stays as it is.
    old = path.read_text("utf-8", "surrogateescape").split("\n")[:-1][:kept] if kept and path.is_file() else []
    temporary = out / ".metrics.jsonl"
    temporary.write_text("".join(f"{line}\n" for line in old), "utf-8", "surrogateescape")
    temporary.replace(path)
    with path.open("a", encoding="utf-8") as file:

        def write(line: dict[str, Any]) -> None:
            file.write(dumps(line) + "\n")
            file.flush()

        yield write


def _written(
    network: Any, tokenizer: Any, options: TrainOptions, out: Path, base: tuple[str, str], ends: Sequence[int]
) -> Path:
    """Write OUT/adapter or OUT/model, whole or not at all."""
    name = "adapter" if options.method == "lora" else "model"
    fresh = out / f".{name}-new"
    folders.remove(fresh)
    fresh.mkdir(parents=True, exist_ok=True)
    if options.method == "lora":
        save_adapter(network, tokenizer, fresh, *base, name, ends)
    else:
        save_full(network, tokenizer, fresh, *base, ends)
    folders.replace(fresh, out / name)
    return out / name


_SAID = b"\ndatagen: stopping after this step, which is saved first; once more stops at once\n"


@dataclass
class Heard:
    """The signal that came, 0 = none."""

    signal: int = 0


def stopped(done: int, steps: int, word: Heard, *, fresh: bool) -> Stopped:
    """Return what ends a run after so many of its steps, the last of which a checkpoint holds."""
    same = "the same command without --fresh" if fresh else "the same command"
    then = f"goes on from step {done + 1}" if done < steps else "goes on after the last step"
    return Stopped(f"stopped after step {done} of {steps}, which a checkpoint holds; {same} {then}", word.signal)


@contextmanager
def heard() -> Iterator[Heard]:
    """Note Ctrl+C and SIGTERM for the length of the block instead of following them; the second one ends the process at once.

    Signals that are ignored stay so, and outside of the main thread, where Python hears none, nothing changes.
    """
    found = Heard()

    def hear(number: int, frame: FrameType | None) -> None:
        if found.signal:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        found.signal = number
        os.write(2, _SAID)  # a stream, or the bar, may be in the middle of a word of its own

    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                before[number] = signal.signal(number, hear)
    try:
        yield found
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
