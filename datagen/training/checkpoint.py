"""The state of a run in one file, written whole or not at all: trained weights, optimiser moments, step, losses.

The order of the rows and the seed of each step are functions of the step, so no generator state is needed to resume.
Safetensors, because a checkpoint may come from someone else and a pickle would run their code.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from datagen import folders
from datagen.errors import UsageError, first_line, of_place
from datagen.json_text import dumps
from datagen.training.batches import Sample
from datagen.training.evaluate import Evaluation
from datagen.training.options import CHANGEABLE, TrainOptions, with_changes
from datagen.training.parallel import ALONE, World, as_sharded, put, whole
from datagen.training.spikes import LastGood, Skipped

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

_MOMENTS = ("exp_avg", "exp_avg_sq", "step")
_KINDS = ("weight", *_MOMENTS)
_GOOD = "good/"  # before the names of the state that a spike would put back


class Change(TypedDict):
    """Options that a stopped run went on with otherwise, and how many steps it had then."""

    step: int
    changed: dict[str, Any]


@dataclass(frozen=True)
class Progress:
    """What a run has done so far.

    Attributes:
        step: how many were taken or left out.
        losses: one per step, None where it was left out.
        tokens: that went through the model.
        label_tokens: of these, those that were learned.
        seconds: that it took.
        before: the evaluation at step 0.
        date: the day that its texts show.
        norms: of the gradients, one per step, None where it was left out.
        skipped: the steps that were left out.
        history: changes of its options since, each with the step after which it was made: `step`, `changed`.
        environment: that it was computed with last.
        steps: that it has, where it chose them by the clock; 0 where its options say.
    """

    step: int
    losses: list[float | None]
    tokens: int
    label_tokens: int
    seconds: float
    before: Evaluation | None
    date: str = ""
    norms: list[float | None] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    steps: int = 0
    history: list[Change] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)


def fingerprint(options: Mapping[str, Any], base_id: str, groups: Iterable[Iterable[Sample]]) -> str:
    """Return the identity of a run: its options, its base, and each sample of its groups (training, evaluation)."""
    digest = hashlib.blake2b(dumps([sorted(options.items()), base_id], ensure_ascii=True).encode(), digest_size=16)
    for group in groups:
        digest.update(b"group")
        for s in group:
            for text in s.texts:
                digest.update(repr((s.id, s.source, s.repeat, text.input_ids, text.labels, text.weights)).encode())
    return digest.hexdigest()


def save(
    out: Path, mark: str, progress: Progress, trained: Mapping[str, Tensor], optimiser: Optimizer,
    facts: Mapping[str, Any] | None = None, world: World = ALONE, good: LastGood | None = None,
) -> None:  # fmt: skip
    """Write OUT/checkpoint/state.safetensors, replacing the one before in one rename.

    Args:
        out: folder of the run.
        mark: fingerprint of the run.
        progress: what it has done.
        trained: parameter name → parameter.
        optimiser: holds the moments of these parameters.
        facts: the options of the run, by which a run of others is told what differs.
        world: the processes of the run: each has to give what it holds, and the first one writes.
        good: the earlier state that a spike would put back.
    """
    import torch
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    kept = good.held() if good else None
    now = {
        n: {"weight": p, **{m: optimiser.state[p][m] for m in _MOMENTS if m in optimiser.state[p]}} for n, p in trained.items()
    }
    for part, states in (("", now), (_GOOD, kept[1] if kept else {})):
        for name, held in states.items():
            for kind, tensor in held.items():
                value = whole(tensor)  # each has to ask, and one to keep it
                if world.writes or world.staged:
                    tensors[f"{part}{kind}/{name}"] = value
    tensors = world.collected(tensors)
    if not world.writes:
        return
    folder = out / "checkpoint"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / ".state.safetensors"
    told = {"progress": dumps(vars(progress), ensure_ascii=True), "facts": dumps(facts or {}, ensure_ascii=True)}
    if kept:
        tensors[f"{_GOOD}at"] = torch.tensor(kept[0])
    save_file(tensors, temporary, metadata={"mark": mark, **told})
    _put(temporary, folder / "state.safetensors")


def _put(temporary: Path, path: Path) -> None:
    """Give a written file its name, so that a power cut leaves the old one or the new one."""
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    place = os.open(path.parent, os.O_RDONLY)  # else the name may be lost with the power, though the bytes are not
    try:
        os.fsync(place)
    finally:
        os.close(place)


def read_mark(out: Path) -> tuple[str, Progress] | None:
    """Return the fingerprint and the progress of the checkpoint in a folder; None where there is none to go on from."""
    path = out / "checkpoint" / "state.safetensors"
    if not path.is_file():
        return None
    try:
        mark, progress, *_ = _read(path, ())
    except _DamagedError:  # `restore` says it
        return None
    return mark, progress


def restore(
    out: Path, mark: str, trained: Mapping[str, Tensor], optimiser: Optimizer, facts: Mapping[str, Any] | None = None,
    good: LastGood | None = None,
) -> Progress | None:  # fmt: skip
    """Put the state of a checkpoint back and return how far it was; None when there is none.

    A damaged one counts as none, and that is said: what it cost is time, and the run is the same.

    Args:
        out: folder of the run.
        mark: fingerprint of the run.
        trained: parameter name → parameter.
        optimiser: of these parameters.
        facts: the options of the run.
        good: keeps the earlier state that a spike would put back.

    Raises:
        UsageError: it is that of another run, whose steps would be lost; it names what differs.
    """
    path = out / "checkpoint" / "state.safetensors"
    if not path.is_file():
        return None
    try:
        found, progress, tensors, before = _read(path, trained.items(), mark)
    except _DamagedError as error:
        told = "%s is damaged (%s); training begins again from the start, and replaces it"
        logging.getLogger(__name__).warning(told, path, error)
        return None
    if found != mark:
        raise UsageError(_other(path, progress, before, {} if facts is None else facts))
    earlier: dict[str, dict[str, Tensor]] = {}
    for name, p in trained.items():
        put(p, tensors[f"weight/{name}"])
        # The moments lie beside their parameter, and are sharded as it is.
        state = {m: tensors[f"{m}/{name}"] for m in _MOMENTS if f"{m}/{name}" in tensors}
        beside = p.device if optimiser.defaults.get("fused") else "cpu"  # where AdamW counts its steps
        kept = {m: tensors[f"{_GOOD}{m}/{name}"] for m in _KINDS if f"{_GOOD}{m}/{name}" in tensors}
        optimiser.state[p], earlier[name] = (
            {m: t.to(beside) if m == "step" else as_sharded(p, t) for m, t in held.items()} for held in (state, kept)
        )
    if good and all(earlier.values()):
        good.hold(int(tensors[f"{_GOOD}at"]), earlier)
    return progress


def changed(options: TrainOptions, progress: Progress | None) -> tuple[TrainOptions, list[Change]]:
    """Return the options that a run goes on with, and how they came about: its earlier changes, and those of `set`.

    Args:
        options: that it was begun with.
        progress: of its checkpoint; None where there is none to go on from.

    Raises:
        UsageError: it cannot go on with such a change.
    """
    history = [*progress.history] if progress else []
    taken = progress.step if progress else 0
    if options.set and (not history or history[-1]["changed"] != options.set):
        history.append({"step": taken, "changed": dict(options.set)})
    now = with_changes(options, [one["changed"] for one in history])
    _check_steps(options, now, history, taken)
    return now, history


def _check_steps(given: TrainOptions, now: TrainOptions, history: Sequence[Change], taken: int) -> None:
    """Check that a run can go on with another number of steps: each batch begins where the one before it ended.

    Raises:
        UsageError: its batches come from `epochs`, so that other steps cut them otherwise; or more steps were taken.
    """
    if not any("steps" in one["changed"] for one in history):
        return
    if given.steps is None:
        raise UsageError(
            "train: --set: of a run without --steps the batches come from its epochs: leave out steps; where it was begun with"
            " --steps, give that, too"
        )
    if now.steps is not None and now.steps < taken:
        raise UsageError(f"train: --set: {taken} steps were taken; give at least as many")


def _other(path: Path, progress: Progress, before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return what is said of the checkpoint of another run."""
    now = json.loads(dumps(now))
    names = [name for name, value in now.items() if before.get(name) != value]
    differ = [f"{name} {_typed(before.get(name))}, not {_typed(now[name])}" for name in names]
    what = ", ".join(differ) if differ and before else "other rows, or of another model"
    change = ", or --set goes on with the change" if names and set(names) <= set(CHANGEABLE) else ""
    return f"{path.parent} holds {progress.step} steps of a run of {what}; give the same{change}, or --fresh begins again"


def _typed(value: Any) -> Any:
    """Return a value as it is given on the command line."""
    return "off" if value is None else value


class _DamagedError(Exception):
    """A checkpoint is no longer what was written."""


def _read(
    path: Path, trained: Iterable[tuple[str, Tensor]], mark: str | None = None
) -> tuple[str, Progress, dict[str, Tensor], dict[str, Any]]:  # fmt: skip
    """Return the fingerprint, the progress, of the run of this mark the tensors, and the options of a checkpoint.

    Raises:
        _DamagedError: it is cut off, or lacks something, or holds something else.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            facts, names, tensors = file.metadata() or {}, set(file.keys()), {}
            found = str(facts["mark"])
            if found == mark and f"{_GOOD}at" in names:
                tensors[f"{_GOOD}at"] = file.get_tensor(f"{_GOOD}at")
            for name, p in trained if found == mark else ():
                for kind in (*_KINDS, *(f"{_GOOD}{kind}" for kind in _KINDS)):
                    if kind != "weight" and f"{kind}/{name}" not in names:
                        continue
                    tensors[f"{kind}/{name}"] = tensor = file.get_tensor(f"{kind}/{name}")
                    if not kind.endswith("step") and tensor.shape != p.shape:
                        raise ValueError(f"{kind}/{name} has the shape {tuple(tensor.shape)}")
        return found, _progress(facts["progress"]), tensors, dict(json.loads(facts.get("facts") or "{}"))
    except (SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
        if of_place(error, path):  # of the machine, not of the file
            raise
        lacks = f"it lacks {error}" if isinstance(error, KeyError) else first_line(error, 120)
        raise _DamagedError(lacks) from error


def _progress(text: str) -> Progress:
    """Return what was written as JSON; raises KeyError, TypeError, ValueError or AttributeError where it is none."""
    told = json.loads(text)
    if told["before"]:
        told["before"]["left_out"] = [tuple(pair) for pair in told["before"]["left_out"]]
    progress = Progress(**told)
    sound = all(isinstance(value, float | None) for value in [*progress.losses, *progress.norms])
    if not len(progress.losses) == len(progress.norms) == progress.step or not sound:
        raise ValueError("its losses are not those of its steps")
    return progress


def write_reference(out: Path, mark: str, known: Sequence[tuple[float, float]]) -> None:
    """Keep the log-probabilities of pairs (better, worse) before the first step of a run, in nats."""
    import torch
    from safetensors.torch import save_file

    folder = out / "checkpoint"
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / ".reference.safetensors"
    save_file({"reference": torch.tensor(known, dtype=torch.float64)}, temporary, metadata={"mark": mark})
    _put(temporary, folder / "reference.safetensors")


def read_reference(out: Path, mark: str) -> list[tuple[float, float]] | None:
    """Return the log-probabilities that were kept for a run; None where there are none of it."""
    from safetensors import SafetensorError, safe_open

    path = out / "checkpoint" / "reference.safetensors"
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("mark") != mark:
                return None
            return [(better, worse) for better, worse in file.get_tensor("reference").tolist()]
    except SafetensorError:
        return None


def remove(out: Path) -> None:
    """Remove the checkpoint of a run that is done."""
    folders.remove(out / "checkpoint")
