"""Self-Instruct: a model makes new tasks from seed tasks; one is kept only when it is new by ROUGE-L.

Source: Wang et al. 2023 (Self-Instruct) and Stanford Alpaca: the novelty test against the seeds and all kept rows, F1 above
0.7 goes. Two methods: `alpaca` asks a chat model for several tasks with their answers per completion; `one` samples one task
from the bare user turn of a local model (as Magpie does, Xu et al. 2024) and asks it for the answer.

Not covered: examples drawn from the rows already made, budgets, other methods.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from datagen import assets
from datagen.errors import ModelError, UsageError
from datagen.generate.background import BackgroundLoop
from datagen.generate.parse import Item, items
from datagen.models.chat import Chat, Completion, is_local
from datagen.options import between
from datagen.rows import Row, dropped_row, new_row
from datagen.text import tokens

STAGE = "self_instruct"
REASONS = frozenset({"unparsed", "cut_off", "empty_task", "empty_answer", "too_similar", "over_quota", "request_failed"})
STALL = 100  # requests in a row that keep nothing before the run stops


@dataclass(frozen=True)
class SelfInstructOptions:
    """Options of `self_instruct`."""

    n: int = 100  # rows to keep
    model: str = "smollm2"  # the embedded model, a local folder, or a model of the endpoint
    base_url: str | None = None  # an OpenAI-compatible endpoint; off = OPENAI_BASE_URL, OpenAI, or a local server
    method: Literal["auto", "one", "alpaca"] = "auto"  # auto: one for a local model, alpaca for an endpoint
    seeds: str | None = None  # seed tasks; off = those that come with datagen
    language: Literal["en", "zh", "th"] = "en"  # of prompts and seed tasks
    threshold: float = 0.7  # ROUGE-L F1 with a seed or a kept task, above which a task is not new
    temperature: float = 0.9  # of the tasks; answers of the method `one` are drawn at 0.3
    examples: int = 3  # seed tasks shown per prompt (alpaca)
    tasks: int = 5  # tasks asked for per prompt (alpaca)
    max_task_tokens: int = 96  # of a task (one)
    max_output_tokens: int = 192  # of an answer (one)
    max_completion_tokens: int = 3072  # of a completion (alpaca)
    concurrency: int = 16  # requests in flight
    seed: int = 17  # which seed tasks a prompt shows

    def __post_init__(self) -> None:
        between("threshold", self.threshold, 0, 1, open_high=True)
        between("temperature", self.temperature, 0, 2)
        for name in ("n", "examples", "tasks", "max_task_tokens", "max_output_tokens", "max_completion_tokens", "concurrency"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, not {getattr(self, name)}")
        if self.model == "smollm2" and self.language != "en" and self.base_url is None:
            raise ValueError(
                f"the embedded model smollm2 knows English only; for language {self.language} name another one with"
                " --model, and its --base-url"
            )
        if self.resolved_method == "one" and not (is_local(self.model) and self.base_url is None):
            raise ValueError("the method 'one' needs the chat template of a local model; use method alpaca at an endpoint")

    @property
    def resolved_method(self) -> str:
        """The method that `auto` stands for."""
        if self.method != "auto":
            return self.method
        return "one" if is_local(self.model) and self.base_url is None else "alpaca"


def prompts(options: SelfInstructOptions) -> list[str]:
    """Names of the prompt templates that a run uses; their text decides its rows."""
    return ["answer"] if options.resolved_method == "one" else ["self_instruct"]


@dataclass(frozen=True)
class Made:
    """A parsed task, its answer's completion, and where it came from."""

    item: Item
    completion: Completion
    prompt_hash: str
    parents: tuple[str, ...]


def generate(seeds: Sequence[Row], chat: Chat, options: SelfInstructOptions, on_kept: Callable[[int], None]) -> Iterator[Row]:
    """Yield kept rows and ledger rows (with the key `reason`) until `n` rows are kept.

    Requests are prepared from (seed, index) and judged in the order of their index whatever order the answers come in, so the
    rows are a function of the journal alone. The novelty test is `rouge`'s own kernel, over the seeds and all kept rows.

    Args:
        seeds: seed tasks as rows; they never count as rows of the result.
        chat: the model.
        options: the options.
        on_kept: called with the number of rows kept so far.

    Raises:
        ModelError: STALL requests in a row kept nothing, or the endpoint refuses.
    """
    if not seeds:
        raise UsageError("self_instruct needs at least one seed task; check --seeds")
    pool = _Novelty(seeds, options.threshold)
    kept = barren = 0
    with BackgroundLoop() as loop:
        stream = _in_order(seeds, chat, options)
        try:
            while kept < options.n:
                before = kept
                for made in loop.run(anext(stream)):
                    row = _judged(made, pool, chat.name, options.language, full=kept == options.n)
                    kept += "reason" not in row
                    yield row
                on_kept(kept)
                barren = 0 if kept > before else barren + 1
                if barren == STALL:
                    raise ModelError(
                        f"the last {STALL} requests kept nothing ({kept} of {options.n} rows so far; every answer is in the"
                        " journal); try another model, more seed tasks or a higher threshold"
                    )
        finally:
            # An answer under way is paid for: closing waits for it, and the journal keeps it for a larger n.
            loop.run(stream.aclose())
            loop.run(chat.client.close())


async def _in_order(seeds: Sequence[Row], chat: Chat, options: SelfInstructOptions) -> AsyncGenerator[list[Made]]:
    """Yield what each request made, in request order, with `concurrency` of them under way."""
    make = _one(chat, options) if options.resolved_method == "one" else _alpaca(seeds, chat, options)
    under_way: list[asyncio.Task[list[Made]]] = []
    index = 0
    try:
        while True:
            while len(under_way) < options.concurrency:
                under_way.append(asyncio.ensure_future(make(index)))
                index += 1
            yield await under_way.pop(0)
    finally:
        # An answer under way is paid for: it goes to the journal, where a larger n finds it. A local model costs nothing.
        for task in under_way if is_local(options.model) else ():
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


def _one(chat: Chat, options: SelfInstructOptions) -> Callable[[int], Coroutine[Any, Any, list[Made]]]:
    """One task per request, sampled from the bare user turn; then its answer."""
    head, end = user_turn(Path(chat.model))
    system = assets.prompt("answer", options.language).strip()
    ask = {"prompt": head, "max_tokens": options.max_task_tokens, "temperature": options.temperature, "stop": [end]}
    prompt_hash = _prompt_hash(head, system)

    async def make(index: int) -> list[Made]:
        task = await chat.complete("completions", ask, index)
        item = _task_item(task)
        if item.reason:
            return [Made(item, task, prompt_hash, ())]
        messages = [{"role": "system", "content": system}, {"role": "user", "content": item.instruction}]
        body = {"messages": messages, "max_tokens": options.max_output_tokens, "temperature": 0.3}
        answer = await chat.complete("chat/completions", body, index)
        reason = "request_failed" if answer.text is None else "cut_off" if answer.finish_reason == "length" else None
        return [Made(Item(item.instruction, "", (answer.text or "").strip(), reason), answer, prompt_hash, ())]

    return make


def _task_item(task: Completion) -> Item:
    text = (task.text or "").strip()
    if task.text is None:
        return Item("", reason="request_failed")
    return Item(text, reason="cut_off" if task.finish_reason == "length" else None if text else "empty_task")


def _alpaca(seeds: Sequence[Row], chat: Chat, options: SelfInstructOptions) -> Callable[[int], Coroutine[Any, Any, list[Made]]]:
    """Several tasks with their answers per request, after a few seed tasks drawn from (seed, index)."""
    from jinja2.sandbox import SandboxedEnvironment

    source = assets.prompt("self_instruct", options.language)
    template = SandboxedEnvironment(trim_blocks=True).from_string(source)
    prompt_hash = _prompt_hash(source)

    async def make(index: int) -> list[Made]:
        drawn = random.Random(f"{options.seed}:{index}").sample(seeds, min(options.examples, len(seeds)))
        prompt = template.render(examples=drawn, count=options.tasks)
        body = {
            "messages": [{"role": "user", "content": prompt}],
            "temperature": options.temperature, "max_tokens": options.max_completion_tokens,
        }  # fmt: skip
        answer = await chat.complete("chat/completions", body, index)
        parents = tuple(str(s["id"]) for s in drawn)
        if answer.text is None:
            return [Made(Item("", reason="request_failed"), answer, prompt_hash, parents)]
        found = items(answer.text, cut=answer.finish_reason == "length")
        return [Made(item, answer, prompt_hash, parents) for item in found]

    return make


class _Novelty:
    """The seeds and the rows kept so far, and the test of a new task against them."""

    def __init__(self, seeds: Sequence[Row], threshold: float) -> None:
        from datagen.similarity.rouge_pool import RougePool

        self.threshold = threshold
        self._pool = RougePool(threshold)
        self._ids: list[tuple[str, str | None]] = []
        for seed in seeds:
            self.add(seed, seed["instruction"])

    def add(self, row: Row, seed_text: str | None = None) -> None:
        self._pool.add(tokens(row["instruction"]))
        self._ids.append((row["id"], seed_text))

    def nearest(self, row: Row) -> tuple[str, str | None, float] | None:
        """Id, text (of a seed) and F1 of the task that this one repeats."""
        hit = self._pool.nearest(tokens(row["instruction"]))
        return None if hit is None else (*self._ids[hit[0]], hit[1])


def _judged(made: Made, pool: _Novelty, model: str, language: str, *, full: bool) -> Row:
    """Return the row of a task, with a reason where it is not kept; a kept one joins the pool, unless that is `full`."""
    item, completion = made.item, made.completion
    row = new_row(
        instruction=item.instruction, input=item.input, output=item.output, language=language,
        source=f"{STAGE}:{Path(model).name}", parents=list(made.parents) or None,
        generation={
            "model": model, "prompt_hash": made.prompt_hash, "request_key": completion.key,
            "input_tokens": completion.input_tokens, "output_tokens": completion.output_tokens,
        },
    )  # fmt: skip
    reason = item.reason or (None if item.instruction else "empty_task") or (None if item.output else "empty_answer")
    if reason:
        return dropped_row(row, STAGE, reason, evidence=completion.error)
    if hit := pool.nearest(row):
        witness, seed_text, score = hit
        evidence = None if seed_text is None else f"seed task: {seed_text}"
        return dropped_row(
            row, STAGE, "too_similar", score=score, threshold=pool.threshold, witness_id=witness, evidence=evidence
        )
    if full:
        return dropped_row(row, STAGE, "over_quota")
    pool.add(row)
    return row


def user_turn(folder: Path) -> tuple[str, str]:
    """Return the text that a model's chat template puts before the user's words, and the marker that ends its turns.

    Raises:
        ModelError: the folder has no chat template, or one that changes the user's words.
    """
    import json

    from jinja2.sandbox import ImmutableSandboxedEnvironment

    path = folder / "chat_template.jinja"
    if not path.is_file():
        raise ModelError(f"{folder} has no chat_template.jinja, which the method 'one' needs; use --method alpaca")
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    here = "\u241f"
    text = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(path.read_text("utf-8")).render(
        messages=[{"role": "user", "content": here}], bos_token=config.get("bos_token") or "", add_generation_prompt=False
    )  # fmt: skip
    head, found, tail = text.partition(here)
    if not found or not tail.strip():
        raise ModelError(f"the chat template of {folder} does not mark the end of a user turn; use --method alpaca")
    return head, tail.strip().split("\n")[0]


def _prompt_hash(*texts: str) -> str:
    """Return the digest by which a row names the prompt it came from."""
    import hashlib

    return hashlib.blake2b("\0".join(texts).encode(), digest_size=8).hexdigest()
