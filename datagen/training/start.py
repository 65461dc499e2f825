"""What a run begins with: a model and its tokenizer, with the template, the tokens and the adapter that its options want."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from datagen.errors import ModelError, UsageError
from datagen.models.adapter import base_of, grown, own_tokenizer
from datagen.models.causal_lm import load, resolve
from datagen.render.template import with_template
from datagen.training.batches import Sample
from datagen.training.end_token import with_end_token
from datagen.training.methods import check_same_method
from datagen.training.options import TrainOptions


@dataclass(frozen=True)
class Base:
    """A model to train.

    Attributes:
        model: of transformers.
        tokenizer: with the template of the run.
        most: tokens of a text.
        loads: what transformers loads for it.
        identity: of its weights; "" where nothing is written.
        begun: the folder of the adapter that is trained further; None for a new one.
        new_token: id of a token that it got; None without.
        own: whether the model is the run's own, to be changed as it likes.
    """

    model: Any
    tokenizer: Any
    most: int
    loads: str
    identity: str
    begun: Path | None
    new_token: int | None
    own: bool


def based(options: TrainOptions, given: tuple[Any, Any] | None, device: str, dtype: str, *, identify: bool) -> Base:
    """Load the model of a run, or take the one that is given, which stays as it is.

    Args:
        options: of the run; its model may be a folder with an adapter of its method, which is trained further.
        given: a loaded (model, tokenizer) instead.
        device: of a model that is loaded.
        dtype: of its weights.
        identify: whether its weights are to be known again.

    Raises:
        ModelError: it cannot be had.
        UsageError: the adapter is of another method, or a preset wants longer texts than it reads.
    """
    begun = None
    named = options.model
    if given is None and (named := base_of(options.model) or options.model) != options.model:
        begun = Path(options.model).expanduser()
        check_same_method(begun, options)
    model, tokenizer = given or load(named, device, dtype, options.quantize)
    loads, identity = _identity(named, given) if identify else ("", "")
    if begun and (own := own_tokenizer(begun)) is not None:
        model, tokenizer = grown(model, len(own)), own
    tokenizer = with_template(tokenizer, options.chat_template)  # it is saved with the adapter, so that a server shows the same
    ended, tokenizer, new_token = with_end_token(model, tokenizer, options.eot_token, shared=given is not None)
    most = _context(ended, options)
    return Base(ended, tokenizer, most, loads, identity, begun, new_token, own=given is None or ended is not model)


def _context(model: Any, options: TrainOptions) -> int:
    """Return how long a text may be: `max_length`, or all that the model reads where that is less."""
    reads = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if reads is None or reads >= options.max_length:
        return options.max_length
    if options.preset:
        raise UsageError(
            f"train: the preset {options.preset} has texts of {options.max_length:,} tokens, and the model reads {reads:,}:"
            f" give --max-length {reads}"
        )
    return int(reads)


def _identity(named: str, given: tuple[Any, Any] | None) -> tuple[str, str]:
    """Return what transformers loads for the base of a run, and the identity of its weights."""
    if given is None:
        return resolve(named)
    digest = hashlib.sha256()
    for name, tensor in given[0].state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return str(given[0].config._name_or_path or named), digest.hexdigest()


def check_vocabulary(model: Any, samples: list[Sample]) -> None:
    """Check what would otherwise end as an index error deep inside the model."""
    rows = model.get_input_embeddings().weight.shape[0]
    if max(max(t.input_ids) for s in samples for t in s.texts) >= rows:
        raise ModelError(f"the tokenizer has tokens that the model does not know (its vocabulary is {rows})")
