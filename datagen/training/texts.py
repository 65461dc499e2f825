"""Rows as the texts that a run trains on: answers after their prompts, plain text, or two answers to compare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from datagen.data.rows import Row, conversation_turns
from datagen.errors import DataError, ModelError
from datagen.render.control_tokens import control_token_of, escaped_text
from datagen.render.labels import IGNORED, Encoded, encode
from datagen.render.options import Rendering
from datagen.render.template import Tokenizer
from datagen.training.batches import Sample
from datagen.training.options import PAIRED
from datagen.training.pairs import compared

LeftOut = list[tuple[str, str]]


def samples_of(
    rows: Sequence[Row],
    tokenizer: Tokenizer,
    max_length: int,
    how: Rendering | None = None,
    objective: str = "sft",
    overflow: str | None = None,
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
        overflow: what is done with a row that is too long: `truncate`, `split-turns`; else it is left out.
    """
    samples, left_out = list[Sample](), LeftOut()
    for row in rows:
        try:
            found = _texts(row, tokenizer, max_length, how or Rendering(), objective, overflow)
        except DataError as error:  # one row that the template refuses must not cost the others their training
            found = f"error: {error}"
        reason = found if isinstance(found, str) else "repeat_zero" if row["repeat"] < 1 else None
        if reason is not None:
            left_out.append((row["id"], reason))
        elif not isinstance(found, str):
            samples += found
    return samples, left_out


def _texts(
    row: Row, tokenizer: Tokenizer, most: int, how: Rendering, objective: str, overflow: str | None
) -> list[Sample] | str:  # fmt: skip
    """Return the texts of a row, or why it has none."""
    if objective == "lm":
        pieces = plain(row, tokenizer, most, how)
        return pieces if isinstance(pieces, str) else _samples(row, pieces)
    if objective not in PAIRED:
        found = encode(row, tokenizer, most, how)
        if found[0].reason == "too_long" and overflow == "truncate":
            found = [cut(one, most) for one in encode(row, tokenizer, 2**31, how)]
        if found[0].reason == "too_long" and overflow == "split-turns":
            found = split_at_turns(row, tokenizer, most, how) or found
        return found[0].reason or _samples(row, found)
    both = compared(row)
    if isinstance(both, str):
        return both
    sides = [encode(side, tokenizer, most if overflow != "truncate" else 2**31, how) for side in both]
    if overflow == "truncate" and not any(found[0].reason for found in sides):
        sides = _cut_alike(sides, most)
    if reason := next((found[0].reason for found in sides if found[0].reason), None):
        return reason
    # Where the template rewrites earlier turns each answer has a text: the last one is that of the answers compared.
    better, worse = (_samples(row, found[-1:])[0] for found in sides)
    return [replace(better, rejected=worse)]


def _samples(row: Row, found: Sequence[Encoded]) -> list[Sample]:
    named = (row["id"], row["source"], row["repeat"])
    return [Sample(*named, one.input_ids, one.labels, one.weights, part) for part, one in enumerate(found)]


def cut(text: Encoded, most: int) -> Encoded:
    """Return a text of at most so many tokens: the task loses its beginning but for the first token, then the answer its end.

    No end token is put where an answer was cut, for it did not end there.
    """
    over = len(text.input_ids) - most
    if over <= 0:
        return text
    first = next(at for at, label in enumerate(text.labels) if label != IGNORED)
    gone = max(0, min(over, first - 2))  # what stands before the answer is a first token and one to predict from
    kept = [0, *range(1 + gone, len(text.input_ids))][:most]
    weights = None if text.weights is None else [text.weights[at] for at in kept]
    return Encoded([text.input_ids[at] for at in kept], [text.labels[at] for at in kept], weights, None)


def _cut_alike(sides: Sequence[Sequence[Encoded]], most: int) -> list[list[Encoded]]:
    """Return two texts to be compared with as much of their common task cut off, so that both answers have the same one."""
    texts = [found[-1] for found in sides]
    over = max(0, max(len(text.input_ids) for text in texts) - most)
    first = min(next(at for at, label in enumerate(text.labels) if label != IGNORED) for text in texts)
    gone = max(0, min(over, first - 2))
    return [[cut(cut(text, len(text.input_ids) - gone), most)] for text in texts]


def split_at_turns(row: Row, tokenizer: Tokenizer, most: int, how: Rendering) -> list[Encoded]:
    """Return a conversation as several that follow each other, each as long as fits; [] where one exchange does not."""
    turns = row["messages"] or []
    starts = [at for at, turn in enumerate(turns) if turn["role"] == "user" and (not at or turns[at - 1]["role"] != "user")]
    bounds = [*starts, len(turns)]
    found: list[Encoded] = []
    at = 0
    while at < len(starts):
        best: list[Encoded] = []
        for end in range(at + 1, len(bounds)):
            head = turns[: starts[0]] if at else []  # what stands before the first question, as a system turn
            piece = encode({**row, "messages": [*head, *turns[bounds[at] if at else 0 : bounds[end]]]}, tokenizer, most, how)
            if piece[0].reason == "too_long":
                break
            best, reached = ([] if piece[0].reason else piece), end
            if piece[0].reason and end == len(bounds) - 1:
                return found  # what is left has no answer to teach
        else:
            reached = len(bounds) - 1
        if not best:
            return []
        found += best
        at = reached
    return found


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
    if how.control_tokens == "escape":
        text = escaped_text(text, tokenizer)
    if token := control_token_of(text, tokenizer):
        return f"control_tokens: {token}"
    ids = list(tokenizer(text, verbose=False)["input_ids"])  # with the tokens that the tokenizer puts around a text
    end = getattr(tokenizer, "eos_token_id", None)
    if end is None:
        raise ModelError("the tokenizer has no end token, so no text could ever end")
    ids = ids if ids[-1] == end else [*ids, end]
    cuts = range(0, max(1, len(ids) - 1), most - 1) if most > 1 else range(0)
    pieces = [ids[at : at + most] for at in cuts]
    return [Encoded(piece, [IGNORED, *piece[1:]], None, None) for piece in pieces] or "too_long"
