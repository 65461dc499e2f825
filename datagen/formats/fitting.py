"""Rows as a format can hold them: up to their last answer where it has one place for it, or left out with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from datagen.answered import answered_to
from datagen.data.rows import Row
from datagen.formats.conversation import columns_of, is_preference, pair_of, prompt_turns, unwanted
from datagen.formats.format import Format
from datagen.formats.tools import offered
from datagen.remnants import is_visible

# What is said of rows, in this order; {n} and {to} are filled in.
SAID = {
    "trimmed": "{n} conversations end with a turn that nobody answers: they are written up to their last answer",
    "unanswered_turn": "{n} conversations hold no answer and are left out (unanswered_turn)",
    "no_turns": "{n} rows have no turn at all and are left out",
    "no_prompt": "{n} conversations begin with their only answer, so that there is no prompt: they are left out",
    "untaught": "{n} rows end with an answer that is not to be learned, which {to} cannot say: they are left out",
    "weights_left": "{n} preferred answers say whether, or how much, they count, which {to} cannot say: that is left out",
    "empty_answer": "{n} rows have an empty answer and are written so; `datagen filter` drops them (empty_answer)",
    "beyond_history": "{n} conversations are more than alpaca's history holds: the last exchange is written, and all turns in"
    " a field `messages`",
    "no_call": "{n} conversations hold a result of a tool that answers no call; {to} refuses such lines",
    "tools_left": "{n} rows have tools that are no functions: {to} has no place for them, and they are left out",
    "answers_left": "{n} rows have more answers than {to} can hold: the first is written, or the best and the worst one;"
    " --to messages keeps them all in `candidates`",
    "scores_left": "{n} rows have scores or names of their answers, which {to} has no field for: they are left out",
    "tools_text": "{n} rows have tools that are no functions: their text is in a field `tools_`",
}  # fmt: skip


_PAIR = (None, "chosen", "rejected")


class Fitting:
    """What one export makes of rows before it writes them, and how many of each kind it met."""

    def __init__(self, to: Format) -> None:
        """Begin an export to a format."""
        self.to = to
        self.met: Counter[str] = Counter()

    def through(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield each row as the format can hold it; what `read` could not read passes as it is."""
        if self.to.is_rows:
            yield from rows
            return
        for row in rows:
            if "reason" in row:
                yield row
                continue
            fitted = self._answered(row)
            if fitted is not None:
                self._note(fitted)
                yield fitted

    def notes(self) -> Iterator[str]:
        """Yield what was done, one line per kind."""
        for kind, words in SAID.items():
            if self.met[kind]:
                yield words.format(n=self.met[kind], to=self.to.name)

    def _answered(self, row: Row) -> Row | None:
        """Return a row up to its last answer where the format needs that; null for one that is left out."""
        turns = row["messages"]
        if turns == []:
            return self._left_out("no_turns")
        if turns and is_preference(row) and not prompt_turns(turns):
            return self._left_out("no_prompt")
        if turns and is_preference(row) and self.to.all_taught:
            return self._unweighed(row)
        if turns is None or is_preference(row) or not self.to.one_answer:
            return row
        end = answered_to(turns)
        if not end:
            return self._left_out("unanswered_turn")
        if end == 1 and not row["system"] and self.to.needs_prompt:
            return self._left_out("no_prompt")
        if end < len(turns):
            self.met["trimmed"] += 1
            row = {**row, "input": "", "messages": None, **columns_of(turns[:end], row["system"])}
        if self.to.all_taught and _untaught(row) and not (self.to.says_unwanted and unwanted(row)):
            return self._left_out("untaught")
        return row

    def _unweighed(self, row: Row) -> Row:
        """Return a preference without what its better answer says of its weight, which the record has no place for."""
        *before, last = row["messages"]
        if last["train"] is None and last["weight"] is None:
            return row
        self.met["weights_left"] += 1
        return {**row, "messages": None, **columns_of([*before, {**last, "train": None, "weight": None}], row["system"])}

    def _left_out(self, reason: str) -> Row | None:
        self.met[reason] += 1
        return None

    def _note(self, row: Row) -> None:
        turns = row["messages"]
        self.met["empty_answer"] += turns is None and not is_preference(row) and not is_visible(row["output"])
        if row["tools"] and self.to.tools != "any" and "tools_" in offered(row["tools"]):
            self.met["tools_text" if self.to.tools == "text" else "tools_left"] += 1
        if not self.to.candidates and (answers := row["candidates"]):
            held = pair_of(row) if is_preference(row) else (row["output"],)
            self.met["answers_left"] += any(one["text"] not in held for one in answers)
            self.met["scores_left"] += any(one["score"] is not None or one["source"] not in _PAIR for one in answers)


def _untaught(row: Mapping[str, Any]) -> bool:
    """Whether the last answer of a conversation is not to be learned."""
    answers = [turn for turn in row["messages"] or () if turn["role"] == "assistant"]
    return bool(answers) and (answers[-1]["train"] is False or answers[-1]["weight"] == 0)
