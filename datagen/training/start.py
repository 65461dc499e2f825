"""What a run begins with: a model and its tokenizer, with the template, the tokens and the adapter that its options want."""

from __future__ import annotations

import copy
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datagen.errors import ModelError, UsageError
from datagen.models.adapter import base_of, grown, own_tokenizer
from datagen.models.causal_lm import computes_in_bfloat16, load, pick_device, resolve
from datagen.models.origin import checked_identity, state_identity
from datagen.render.template import with_template
from datagen.training.batches import Sample
from datagen.training.end_token import with_end_token
from datagen.training.loss import Teacher
from datagen.training.methods import check_same_method
from datagen.training.options import TrainOptions


@dataclass(frozen=True)
class Base:
    """A model to train.

    Attributes:
        model: of transformers.
        tokenizer: with the template of the run.
        most: tokens of a text.
        named: what datagen loads for it: its name, its folder, or its id on the Hub.
        identity: of its weights; "" where nothing is written.
        begun: the folder of the adapter that is trained further; None for a new one.
        new_token: id of a token that it got; None without.
        teacher: a model whose probabilities are learned; None without.
        own: whether the model is the run's own, to be changed as it likes.
        device: that it is on.
        half: whether its arithmetic is in bfloat16.
    """

    model: Any
    tokenizer: Any
    most: int
    named: str
    identity: str
    begun: Path | None
    new_token: int | None
    teacher: Teacher | None
    own: bool
    device: str
    half: bool


def based(options: TrainOptions, given: tuple[Any, Any] | None, device: str, *, identify: bool) -> Base:
    """Load the model of a run, or take the one that is given, which stays as it is.

    Args:
        options: of the run; its model may be a folder with an adapter of its method, which is trained further.
        given: a loaded (model, tokenizer) instead.
        device: of a model that is loaded; "": the one that the options name.
        identify: whether its weights are to be known again.

    Raises:
        ModelError: it cannot be had.
        UsageError: the adapter is of another method, or a preset wants longer texts than it reads.
    """
    device = str(next(given[0].parameters()).device) if given else device or pick_device(options.device)
    half = computes_in_bfloat16(options.dtype, device)
    # An adapter may sit on rounded weights; whole weights must not lose small updates.
    if options.dtype == "bfloat16" and not half:
        logging.getLogger(__name__).warning("this processor does not compute in bfloat16: the arithmetic is in float32")
    dtype = "bfloat16" if half and options.method != "full" and device.startswith("cuda") else "float32"
    begun, identity = None, ""
    named = options.model
    if given is None and (named := base_of(options.model) or options.model) != options.model:
        begun = Path(options.model).expanduser()
        check_same_method(begun, options)
        identity = checked_identity(begun, named)
    model, tokenizer = given or load(named, device, dtype, options.quantize)
    if identify and not identity:
        named, identity = _identity(named, given)
    if begun and (own := own_tokenizer(begun)) is not None:
        model, tokenizer = grown(model, len(own)), own
    tokenizer = with_template(tokenizer, options.chat_template)  # it is saved with the adapter, so that a server shows the same
    before, model = model, stretched(model, options.stretched)
    ended, tokenizer, new_token = with_end_token(model, tokenizer, options.eot_token, shared=given is not None)
    most = _context(ended, options)
    teacher = _teacher(options, ended, tokenizer, device, dtype) if options.teacher else None
    own_model = given is None or ended is not before
    return Base(ended, tokenizer, most, named, identity, begun, new_token, teacher, own_model, device, half)


def _context(model: Any, options: TrainOptions) -> int:
    """Return how long a text may be: `max_length`, or all that the model reads where that is less."""
    reads = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if reads is None or reads >= options.longest:
        return options.longest
    if options.lengths:
        raise UsageError(
            f"train: --lengths has texts of {options.longest:,} tokens, and the model reads {reads:,}: --rope-scaling"
            f" ntk:{-(-options.longest // reads)} stretches it"
        )
    if options.preset:
        raise UsageError(
            f"train: the preset {options.preset} has texts of {options.max_length:,} tokens, and the model reads {reads:,}:"
            f" give --max-length {reads}"
        )
    return int(reads)


def stretched(model: Any, times: float) -> Any:
    """Return a model that reads texts so many times as long, by NTK-aware scaling of its rotary positions; itself for 1.

    The base of the rotation is multiplied by times^(d / (d - 2)), d the width of a head, so that the slowest frequency turns as
    often over the longer text as it did over the shorter one, and the fastest stay as they are.

    Raises:
        UsageError: its positions are no plain rotary ones.
    """
    if times == 1:
        return model
    config = copy.deepcopy(model.config)
    rope = getattr(config, "rope_parameters", None)
    if not isinstance(rope, dict) or rope.get("rope_type", "default") != "default" or "rope_theta" not in rope:
        raise UsageError("train: --rope-scaling: this model's positions are no plain rotary ones")
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    config.rope_parameters = {**rope, "rope_theta": rope["rope_theta"] * times ** (width / (width - 2))}
    config.max_position_embeddings = int(config.max_position_embeddings * times)
    longer = type(model)(config).to(model.dtype).to(model.device)
    longer.load_state_dict(model.state_dict())
    longer.generation_config = model.generation_config
    return longer.eval()


def _teacher(options: TrainOptions, model: Any, tokenizer: Any, device: str, dtype: str) -> Teacher:
    """Load the model whose probabilities are learned; raises UsageError where its vocabulary is another."""
    network, theirs = load(str(options.teacher), device, dtype)
    if theirs.get_vocab() != tokenizer.get_vocab():
        raise UsageError(
            f"train: the teacher {options.teacher} has another vocabulary than the model; give one that has the same"
        )
    if network.get_output_embeddings().weight.shape[0] != model.get_output_embeddings().weight.shape[0]:
        raise UsageError(f"train: the teacher {options.teacher} has more or fewer logits than the model")
    return Teacher(network.requires_grad_(requires_grad=False), options.temperature, options.teacher_weight)


def _identity(named: str, given: tuple[Any, Any] | None) -> tuple[str, str]:
    """Return what is loaded for the base of a run, and the identity of its weights."""
    if given is None:
        return named, resolve(named)[1]
    return str(given[0].config._name_or_path or ""), state_identity(given[0])


def check_vocabulary(model: Any, samples: list[Sample]) -> None:
    """Check what would otherwise end as an index error deep inside the model."""
    rows = model.get_input_embeddings().weight.shape[0]
    if max(max(t.input_ids) for s in samples for t in s.texts) >= rows:
        raise ModelError(f"the tokenizer has tokens that the model does not know (its vocabulary is {rows})")
