"""Self-Instruct: a model makes new tasks from seed tasks; one is kept only when it is new by ROUGE-L.

Source: Wang et al. 2023 (Self-Instruct) and Stanford Alpaca: the novelty test against the seeds and all kept rows, F1 above
0.7 goes. Three methods: `alpaca` asks for several tasks with their answers per completion; `original` for tasks, their kind
and their instances; `one` for one task and then its answer, from the bare user turn where the model is local.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from datagen.answers.tasks import Item, instances, tasks, yes_or_no
from datagen.chat.client import Chat
from datagen.chat.completion import Completion
from datagen.chat.prompt import Prompt, prompt_hash
from datagen.data.rows import Row
from datagen.generate.alpaca import Alpaca, Examples
from datagen.generate.draft import Draft, Spent, drafts, failed, named, spent, told
from datagen.generate.loop import Maker
from datagen.generate.one import BareTurn, FewShot, One
from datagen.generate.pool import Seen
from datagen.generate.rules import Refusal
from datagen.generate.turns import UserTurn, system_message, turn_of_model
from datagen.kinds.self_instruct import ORIGINAL_PROMPTS, SelfInstruct

# What a task made by itself may not be longer than; an embedded model that goes on has lost its thread.
LOCAL_TASK_TOKENS, LOCAL_ANSWER_TOKENS = 96, 192


def maker(options: SelfInstruct, seeds: Sequence[Row], chat: Chat, topic: Callable[[int], str | None]) -> Maker:
    """Return the method of a run."""
    if options.resolved_method == "alpaca":
        return Alpaca(seeds, chat, options, topic)
    if options.resolved_method == "original":
        return Original(seeds, chat, options, topic, Refusal(options.language, options.item_rules))
    if not options.local:
        return One(FewShot(seeds, chat, options, topic), chat, options.answer_sampling(), options)
    model = Path(chat.model)

    def turn(said: str | None) -> UserTurn:
        return turn_of_model(model, system_message(options.language, said, options.prompts) if options.steered else None)

    sampling = _limited(options.sampling(), LOCAL_TASK_TOKENS, options)
    asks = BareTurn(chat, turn, sampling, topic, options.seed, first_line=False)
    answers = _limited(options.answer_sampling(), LOCAL_ANSWER_TOKENS, options)
    return One(asks, chat, answers, options)


def _limited(sampling: dict[str, Any], tokens: int, options: SelfInstruct) -> dict[str, Any]:
    """Return sampling with the limit of a small model, unless the user gave one or the model need not be small."""
    return sampling if options.max_output_tokens is not None or not options.loadable else {**sampling, "max_tokens": tokens}


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
