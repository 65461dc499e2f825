"""What a request made: tasks with what they cost and where they came from, and the rows they become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from datagen.answers.tasks import Item
from datagen.chat.completion import Completion
from datagen.chat.journal import Tokens
from datagen.data.rows import Row, new_row
from datagen.json_text import dumps

NOTHING = Tokens(0, 0)


@dataclass(frozen=True)
class Spent:
    """Tokens that a task cost, reasoning among the output; `known` is false where an endpoint did not report some of them."""

    tokens: Tokens = NOTHING
    reasoning: int = 0
    known: bool = True
    usd: float | None = 0.0  # as it was when the answers came; None where the price of one was not known

    def __add__(self, other: Spent) -> Spent:
        tokens = Tokens(self.tokens.input + other.tokens.input, self.tokens.output + other.tokens.output)
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Spent(tokens, self.reasoning + other.reasoning, self.known and other.known, usd)

    def shared(self, by: int) -> list[Spent]:
        """Return the share of each of so many tasks of one request; the shares add up to it."""

        def part(whole: int, at: int) -> int:
            return whole * (at + 1) // by - whole * at // by

        whole = self.tokens.input, self.tokens.output, self.reasoning
        parts = [[part(w, at) for w in whole] for at in range(by)]
        usd = None if self.usd is None else self.usd / by
        return [Spent(Tokens(went_in, came_out), thought, self.known, usd) for went_in, came_out, thought in parts]


def spent(*completions: Completion) -> Spent:
    """Return what requests cost together."""
    total = Spent()
    for c in completions:
        total += Spent(c.used or NOTHING, c.reasoning_tokens or 0, c.used is not None, c.usd)
    return total


@dataclass(frozen=True)
class Draft:
    """One task of a request, before it is judged; `item.reason` is set where it cannot be used."""

    item: Item
    key: str  # of the request that it came from
    spent: Spent
    prompt_hash: str
    parents: tuple[str, ...] = ()
    evidence: str | None = None
    reasoning: str | None = None  # what the model thought before this task's answer
    repeats: Repeat | None = None  # what it repeats, when that was seen before its answer was bought

    def refused(self, reason: str) -> Draft:
        """Return the draft with a reason not to keep it."""
        return replace(self, item=replace(self.item, reason=reason))


@dataclass(frozen=True)
class Repeat:
    """The seed or kept row that a task repeats: its id, its text when it is a seed, and the F1."""

    witness_id: str
    seed_text: str | None
    score: float


def drafts(items: Sequence[Item], completion: Completion, prompt_hash: str, parents: tuple[str, ...] = ()) -> list[Draft]:
    """Return the drafts of one completion's items, its cost shared among them."""
    shares = spent(completion).shared(len(items))
    return [
        Draft(named(item, completion), completion.key, share, prompt_hash, parents, told(item, completion))
        for item, share in zip(items, shares, strict=True)
    ]


def named(item: Item, completion: Completion) -> Item:
    """Return an item that a cut left open with the reason that the completion was cut for."""
    cut = completion.cut_by
    return replace(item, reason=cut) if item.reason == "cut_off" and cut else item


def told(item: Item, completion: Completion) -> str | None:
    """Return the evidence of an item that a filter or an error of the endpoint cut, else None."""
    cut = completion.cut_by
    return f"finish_reason {completion.finish_reason}" if item.reason == "cut_off" and cut not in (None, "cut_off") else None


def drafted(completion: Completion, instruction: str, output: str | None = None, prompt_hash: str = "") -> list[Draft]:
    """Return what came of one request for one task: its draft, or that of the failed request; a whole `Maker.make` of them.

    Args:
        completion: the answer to the request.
        instruction: the task.
        output: its answer; None = the text of the completion.
        prompt_hash: of the prompt, as `chat.prompt.prompt_hash` gives it.
    """
    if completion.text is None:
        return [failed(completion, prompt_hash)]
    item = Item(instruction, output=completion.text if output is None else output, reason=completion.cut_by)
    return [Draft(item, completion.key, spent(completion), prompt_hash, reasoning=completion.reasoning)]


def failed(completion: Completion, prompt_hash: str, parents: tuple[str, ...] = ()) -> Draft:
    """Return the draft that stands for a request without an answer."""
    item = Item("", reason="request_failed")
    return Draft(item, completion.key, spent(completion), prompt_hash, parents, evidence=completion.error)


def made_row(draft: Draft, stage: str, model: str, language: str, cell: str | None) -> Row:
    """Return the row of a draft."""
    item, tokens = draft.item, draft.spent.tokens
    known = draft.spent.known
    return new_row(
        instruction=item.instruction, input=item.input, output=item.output, language=language,
        source=f"{stage}:{model}", parents=list(draft.parents) or None, tags=[cell] if cell else None,
        extra=dumps({"reasoning": draft.reasoning}) if draft.reasoning else "",
        generation={
            "model": model, "prompt_hash": draft.prompt_hash, "request_key": draft.key,
            "input_tokens": tokens.input if known else None, "output_tokens": tokens.output if known else None,
            "reasoning_tokens": draft.spent.reasoning or None,
            "cost_usd": round(draft.spent.usd, 12) if draft.spent.usd is not None and known else None,
        },
    )  # fmt: skip
