"""Rows as the texts that a run trains on: answers after their prompts, plain text, or two answers to compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from datagen.data.rows import Row, conversation_turns
from datagen.errors import DataError, ModelError
from datagen.render.control_tokens import control_tokens, escaped_text
from datagen.render.labels import IGNORED, Encoded, encode
from datagen.render.options import Rendering
from datagen.render.template import Tokenizer
from datagen.training.batches import Sample
from datagen.training.options import PAIRED
from datagen.training.pairs import compared

LeftOut = list[tuple[str, str]]


def samples_of(
    rows: Sequence[Row], tokenizer: Tokenizer, max_length: int, how: Rendering | None = None, objective: str = "sft"
) -> tuple[list[Sample], LeftOut]:
    """Return the texts of the rows that can be trained on, and (row id, reason) of every other row.

    The reasons are `too_long`, `no_labels`, `repeat_zero`, `control_tokens: …` and `error: …`; of pairs also `no_pair` and
    `no_preference`.

    Args:
        rows: in any order.
        tokenizer: of the model.
        max_length: in tokens; longer rows are left out, never cut. Plain text is cut, and all of its pieces are used.
        how: what of the rows is shown.
        objective: `lm` is plain text, `dpo` and `ipo` are pairs, of which a sample has both texts.
    """
    samples, left_out = list[Sample](), LeftOut()
    for row in rows:
        try:
            found = _texts(row, tokenizer, max_length, how or Rendering(), objective)
        except DataError as error:  # one row that the template refuses must not cost the others their training
            found = f"error: {error}"
        if row["repeat"] < 1 and not isinstance(found, str):
            found = "repeat_zero"
        if isinstance(found, str):
            left_out.append((row["id"], found))
        else:
            samples += found
    return samples, left_out


def _texts(row: Row, tokenizer: Tokenizer, most: int, how: Rendering, objective: str) -> list[Sample] | str:
    """Return the texts of a row, or why it has none."""
    if objective == "lm":
        pieces = plain(row, tokenizer, most, how)
        return pieces if isinstance(pieces, str) else _samples(row, pieces)
    if objective not in PAIRED:
        found = encode(row, tokenizer, most, how)
        return found[0].reason or _samples(row, found)
    both = compared(row)
    if isinstance(both, str):
        return both
    sides = [encode(side, tokenizer, most, how) for side in both]
    if reason := next((found[0].reason for found in sides if found[0].reason), None):
        return reason
    # Where the template rewrites earlier turns each answer has a text: the last one is that of the answers compared.
    better, worse = (_samples(row, found[-1:])[0] for found in sides)
    return [replace(better, rejected=worse)]


def _samples(row: Row, found: Sequence[Encoded]) -> list[Sample]:
    named = (row["id"], row["source"], row["repeat"])
    return [Sample(*named, one.input_ids, one.labels, one.weights, part) for part, one in enumerate(found)]


def plain(row: Row, tokenizer: Tokenizer, most: int, how: Rendering) -> list[Encoded] | str:
    """Return all that a row says as plain text, without a template: every token is a label. Or the reason why it has none.

    The parts of a row are joined by blank lines; the end token follows the last one. A text over `most` tokens goes on in
    another, which begins with the last token of the one before it, so that each token is predicted once.

    Raises:
        ModelError: the tokenizer has no end token.
    """
    turns = conversation_turns(row)
    text = "\n\n".join(part for turn in turns if (part := (turn["content"] or "").strip()))
    if not text:
        return "no_labels"
    known = control_tokens(tokenizer)
    if how.control_tokens == "escape":
        text = escaped_text(text, tokenizer)
    ids = list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    if token := next((known[i] for i in ids if i in known and (known[i] != tokenizer.unk_token or known[i] in text)), None):
        return f"control_tokens: {token}"
    ids = list(tokenizer(text, verbose=False)["input_ids"])  # with the tokens that the tokenizer puts around a text
    end = getattr(tokenizer, "eos_token_id", None)
    if end is None:
        raise ModelError("the tokenizer has no end token, so no text could ever end")
    ids = ids if ids[-1] == end else [*ids, end]
    cuts = range(0, max(1, len(ids) - 1), most - 1) if most > 1 else range(0)
    pieces = [ids[at : at + most] for at in cuts]
    return [Encoded(piece, [IGNORED, *piece[1:]], None, None) for piece in pieces] or "too_long"
