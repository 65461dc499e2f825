"""Self-Instruct as Wang et al. 2023 did it: tasks first, then whether each is a classification, then its instances.

Per request the prompt shows 6 human and 2 machine tasks (8 human ones at first) and the model goes on with the list. A
classification task gets its labels first and an input for each, which keeps the labels balanced; any other gets its input
first. The instance filters are those of `prepare_for_finetuning.py`. Not taken over: the lower-casing of `.capitalize()`,
stop sequences that fire inside a sentence, and classification taken for "no" where the answer is missing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from datagen.answers.tasks import Item, instances, tasks, yes_or_no
from datagen.chat.client import Chat
from datagen.chat.completion import Completion
from datagen.chat.prompt import Prompt, prompt_hash
from datagen.data.rows import Row
from datagen.generate.alpaca import Examples
from datagen.generate.draft import Draft, Spent, drafts, failed, named, spent, told
from datagen.generate.pool import Seen
from datagen.generate.rules import Refusal
from datagen.kinds.self_instruct import ORIGINAL_PROMPTS, SelfInstruct

CLASSIFY_TOKENS = 512  # of the answer yes or no; a model that reasons needs some
COLONS = (":", "：")


class Original:
    """Tasks, their kind, their instances: one request for the list, two more for each task in it that is new."""

    def __init__(
        self, seeds: Sequence[Row], chat: Chat, options: SelfInstruct, topic: Callable[[int], str | None],
        refusal: Refusal,
    ) -> None:  # fmt: skip
        """Read the prompts."""
        self._chat, self._options, self._topic, self._refusal = chat, options, topic, refusal
        self._examples = Examples(seeds, options, options.shown, options.machine)
        self._tasks, self._classify, self._input_first, self._output_first = (
            Prompt(p, options.language, options.prompts) for p in ORIGINAL_PROMPTS
        )
        self.hash = prompt_hash(*(p.hash for p in (self._tasks, self._classify, self._input_first, self._output_first)))

    async def make(self, index: int, seen: Seen) -> list[list[Draft]]:
        """Return the tasks of one list, each with its instances."""
        shown, parents = self._examples.drawn(index, seen)
        messages = self._tasks.messages(examples=shown, count=self._options.asked, topic=self._topic(index))
        answer = await self._chat.complete("chat/completions", {"messages": messages, **self._options.sampling()}, index)
        if answer.text is None:
            return [[failed(answer, self.hash, parents)]]
        found = drafts(tasks(answer.text, cut=answer.cut, first=len(shown) + 1), answer, self.hash, parents)
        return list(await asyncio.gather(*(self._task(draft, index, seen) for draft in _once(found))))

    async def _task(self, draft: Draft, index: int, seen: Seen) -> list[Draft]:
        """Return the instances of a task; where it is not worth them, the task alone."""
        instruction = draft.item.instruction
        if draft.item.reason or self._refusal.of_task(instruction):
            return [draft]
        if repeats := seen.repeats(instruction):
            return [Draft(draft.item, draft.key, draft.spent, self.hash, draft.parents, repeats=repeats)]
        # Questions about a task are asked once: without temperature, in the place of the request that made it.
        plain = {"temperature": None if self._options.temperature is None else 0.0, "max_tokens": CLASSIFY_TOKENS}
        kind = await self._asked(self._classify, plain, index, instruction=instruction)
        is_classification = None if kind.text is None else yes_or_no(kind.text)
        if is_classification is None or kind.cut_by in ("filtered", "endpoint_error"):
            reason = "request_failed" if kind.text is None else kind.cut_by or "unparsed"
            said = kind.error or f"classification or not: {' '.join((kind.text or '').split())[:80]}"
            return [_with(draft, Item(instruction, reason=reason), draft.spent + spent(kind), kind.key, said)]
        prompt = self._output_first if is_classification else self._input_first
        answer = await self._asked(
            prompt, self._options.answer_sampling(), index, instruction=instruction, count=self._options.max_instances
        )
        cost = draft.spent + spent(kind, answer)
        if answer.text is None:
            return [_with(draft, Item(instruction, reason="request_failed"), cost, answer.key, answer.error)]
        found = instances(answer.text, cut=answer.cut, output_first=is_classification)
        whole = [Item(instruction, i.input, i.output, i.reason) for i in found]
        judged = _filtered(whole, self._options.max_instances)
        shares = cost.shared(len(judged))
        return [
            _with(draft, named(item, answer), share, answer.key, told(item, answer), answer.reasoning)
            for item, share in zip(judged, shares, strict=True)
        ]

    async def _asked(self, prompt: Prompt, sampling: dict[str, Any], index: int, **values: Any) -> Completion:
        return await self._chat.complete("chat/completions", {"messages": prompt.messages(**values), **sampling}, index)


def _once(found: list[Draft]) -> list[Draft]:
    """Return the tasks of a list, with a reason where the very same words came before: their requests would be the same."""
    before: set[str] = set()
    judged = []
    for draft in found:
        words = draft.item.instruction
        again = words in before and not draft.item.reason
        judged.append(draft.refused("duplicate_instance") if again else draft)
        before.add(words)
    return judged


def _with(
    draft: Draft, item: Item, cost: Spent, key: str, said: str | None = None, reasoning: str | None = None
) -> Draft:  # fmt: skip
    return Draft(item, key, cost, draft.prompt_hash, draft.parents, said, reasoning)


def _filtered(items: list[Item], most: int) -> list[Item]:
    """Return a task's instances, those that the reference's filters drop with their reason."""
    answers: dict[str, set[str]] = {}
    for item in items:
        if not item.reason and item.input:
            answers.setdefault(item.input, set()).add(item.output)
    judged: list[Item] = []
    seen: set[tuple[str, str]] = set()
    for item in items:
        reason = item.reason or _broken(item)
        if not reason and len(answers.get(item.input, ())) > 1:
            reason = "conflicting_answers"
        if not reason and (item.input, item.output) in seen:
            reason = "duplicate_instance"
        if not reason and len(seen) == most:
            reason = "too_many_instances"
        if not reason:
            seen.add((item.input, item.output))
        judged.append(Item(item.instruction, item.input, item.output, reason))
    return judged


def _broken(item: Item) -> str | None:
    """The filters of a single instance."""
    if not item.output:
        return "empty_answer"
    if item.input == item.output:
        return "output_repeats_input"
    if item.input.endswith(COLONS) or item.output.endswith(COLONS):
        return "ends_with_colon"
    return None
