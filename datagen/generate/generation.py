"""From options to a loop that is ready to run: the method, the topics, the pool of seeds."""

from __future__ import annotations

import heapq
import unicodedata
from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import regex

from datagen.chat import usage
from datagen.chat.client import Chat
from datagen.chat.prompt import Prompt
from datagen.data.rows import Row
from datagen.errors import UsageError
from datagen.generate.draft import Draft, failed
from datagen.generate.loop import Aim, Loop
from datagen.generate.pool import Pool
from datagen.generate.rules import Refusal
from datagen.generate.topic_file import Cell, read
from datagen.generator import Generator
from datagen.marks import split_thought

SUBTOPIC_TOKENS = 1024  # of the list of a topic's sub-topics


def prompts(generator: Generator) -> list[str]:
    """Return the text of every prompt that a run uses; its rows depend on them."""
    from datagen import assets

    names = [*generator.prompt_names, *(["subtopics"] if generator.subtopics else [])]
    return [assets.prompt(name, generator.language, generator.prompts) for name in names]


def loop(generator: Generator, seeds: Sequence[Row], chat: Chat, requests: int | None = None) -> Loop:
    """Return the loop of a generator.

    Args:
        generator: the generator with its options.
        seeds: seed tasks as rows; they never count as rows of the result.
        chat: the model.
        requests: stop after so many requests, however few rows were kept.

    Raises:
        UsageError: seeds, topics or a template that are needed and not there.
    """
    generator.check_seeds(seeds)
    steering = Steering(chat, generator)
    aim = Aim(
        n=generator.n, stage=generator.name, model=chat.name, language=generator.language, window=generator.window,
        ahead=generator.ahead, stall=generator.stall, expected=generator.expected,
        refuse=Refusal(generator.language, generator.item_rules).of_draft, steering=steering, requests=requests,
    )  # fmt: skip
    return Loop(generator.maker(seeds, chat, steering.of), chat, Pool(seeds, generator.threshold), aim)


class Steering:
    """What each request is about: the topics of a file, those without sub-topics divided by the model if asked for."""

    def __init__(self, chat: Chat, options: Generator) -> None:
        """Read the file; raises DataError or UsageError."""
        self._chat, self._options = chat, options
        self._cells = read(options.topics, options.language) if options.topics else []
        self._topics = Topics(self._cells) if self._cells else None

    def of(self, index: int) -> str | None:
        """Return the topic of a request, or None."""
        return self._topics.of(index).name if self._topics else None

    async def prepare(self) -> list[Draft]:
        """Ask the model for sub-topics, before the first request for tasks; return the requests that failed."""
        failures: list[Draft] = []
        if self._options.subtopics:
            # One after the other: they are few, and a refused key then costs one request.
            self._topics = Topics([sub for cell in self._cells for sub in await self._divided(cell, failures)])
        return failures

    async def _divided(self, cell: Cell, failures: list[Draft]) -> list[Cell]:
        """Return a topic divided into sub-topics that share its weight; as it is where it has one, or the model names none."""
        if cell.subtopic:
            return [cell]
        prompt = Prompt("subtopics", self._options.language, self._options.prompts)
        messages = prompt.messages(domain=cell.domain, count=self._options.subtopics)
        body = {"messages": messages, **self._options.sampling(), "max_tokens": SUBTOPIC_TOKENS}
        answer = await self._chat.complete("chat/completions", body, 0)
        if answer.text is None:
            failures.append(replace(failed(answer, prompt.hash), evidence=f"sub-topics of {cell.domain}: {answer.error}"))
        names = subtopics(answer.text or "")
        names = (names[:-1] if answer.cut else names)[: self._options.subtopics]  # the last of a cut list is a piece
        return [Cell(cell.domain, name, cell.weight / len(names)) for name in names] or [cell]


def account(made: Loop) -> dict[str, Any]:
    """Return what run.json says of a generation: its requests, what they used and cost, its topics, why it stopped early."""
    funnel = made.funnel
    told = usage.account(made.chat, funnel.kept)
    stopped = None
    if funnel.stopped is not None:
        stopped = {"exit_code": funnel.stopped.exit_code, "message": str(funnel.stopped)}
    return {
        **told,
        "requests": {"judged": funnel.judged, **told["requests"]},
        "topics": [{"topic": name, "requests": r, "items": i, "kept": k} for name, (r, i, k) in funnel.cells.items()],
        "stopped": stopped,
    }


__all__ = ["Cell", "Topics", "read", "subtopics"]

LONGEST = 80  # characters of a sub-domain's name that a model wrote; a longer one is a sentence

_BULLET = r"[-*+•·●○▪■◦–—]\s+"
# 1.  2)  (3)  ４．  ๕.  ข้อ 6  ⑦  八、  第九、  （十）  ก.  a)  11:  12 -
_NUMBER = (
    r"(?:ข้อ(?:ที่)?\s*\p{Nd}{1,3}[.):]?"
    r"|[(（\[【]\s*(?:\p{Nd}{1,3}|[一二三四五六七八九十百]{1,4})\s*[)）\]】]"
    r"|\p{Nd}{1,3}\s*(?:\\?[.．、)）:：](?!\p{Nd})|[-–](?=\s))"
    r"|第?[一二三四五六七八九十百]{1,4}\s*[、.．,，:：)）]"
    r"|[ก-ฮ](?:\.(?=\s)|\))|[a-zA-Z]\)|[①-⑳❶-❿]|\p{Nd}\ufe0f?\u20e3)\s*"
)
_MARKED = regex.compile(rf"(?P<indent>\s*)(?:#{{1,6}}\s+)?(?P<mark>(?:{_BULLET})?{_NUMBER}|{_BULLET})(?P<name>.*)")
# Each is tried once in a stretch of blanks and commas: at its start.
_INLINE = regex.compile(r"(?:(?<=[^\s,;，；、])|(?<=^\s*[,;，；、]))[\s,;，；、]++(?=\(?\p{Nd}{1,3}[.．、)）]\s*+\p{L})")
_EXPLAINED = regex.compile(r"(?<!\s)(?:\s*+(?:[:：](?=\s|$)|：|—)|\s++[-–－](?=\s)).*")
_SPACES = regex.compile(r"(?<=\S)\s{2,}+")
LINE = 2000  # characters of a line that are read
_MARKUP = regex.compile(r"\*\*|__|`|</?(?:b|i|em|strong|li|br) ?/?>|\[(?=[^\[\]]*+\]\()|\]\((?:[^()]|\([^()]*+\))*+\)")


class Topics:
    """Which cell each request asks for; the answer depends on the cells and the number of the request alone.

    Of cells that are equally due, the first of each domain come before the second of each, and then the order of the file
    decides: so the first few requests of a large list already go to different domains.
    """

    def __init__(self, cells: Sequence[Cell]) -> None:
        """Take the cells.

        Args:
            cells: in the order of the file.

        Raises:
            UsageError: there is no cell with a weight above 0.
            ValueError: a weight is negative or not finite.
        """
        self.cells = tuple(cells)
        if any(not 0 <= c.weight < float("inf") for c in self.cells):
            raise ValueError(f"weights must be 0 or more, not {[c.weight for c in self.cells]}")
        if not any(c.weight > 0 for c in self.cells):
            raise UsageError("no topic has a weight above 0; give one of them a weight")
        seen: dict[str, int] = {}
        rank = []
        for i, cell in enumerate(self.cells):
            seen[cell.domain] = seen.get(cell.domain, -1) + 1
            rank.append((seen[cell.domain], i))
        # Seats taken and the next priority of each cell, as in `quotas`, but kept between calls.
        self._heap = [(-c.weight, rank[i], i) for i, c in enumerate(self.cells) if c.weight > 0]
        heapq.heapify(self._heap)
        self._seats = [0] * len(self.cells)
        self._order = array("I")

    def of(self, index: int) -> Cell:
        """Return the cell of request `index`, counted from 0; the first call with a large index works out all before it."""
        if index < 0:
            raise ValueError(f"the index of a request is 0 or more, not {index}")
        while len(self._order) <= index:
            _, rank, i = self._heap[0]
            self._seats[i] += 1
            heapq.heapreplace(self._heap, (-self.cells[i].weight / (2 * self._seats[i] + 1), rank, i))
            self._order.append(i)
        return self.cells[self._order[index]]


def subtopics(text: str) -> list[str]:
    """Return the sub-domains of a model's list in its order: names without numbers, Markdown and explanations.

    Where some lines are numbered or have a bullet, the others are talk around the list, and deeper ones are details. Of names
    that differ only in case the first stays; one of more than LONGEST characters, or without a letter, is left out.
    """
    # What follows is quadratic in runs of spaces and in a line's length, and a name is short.
    short = [_SPACES.sub(" ", line[:LINE]) for line in (split_thought(text)[0] or "").splitlines()]
    lines = [_MARKUP.sub("", line).expandtabs(4).rstrip() for line in short]
    marked = [m for line in lines if (m := _MARKED.fullmatch(line))]
    if len(marked) < 2:  # all on one line: 1. algebra, 2. geometry
        inline = [m for line in lines for part in _INLINE.split(line) if (m := _MARKED.fullmatch(part))]
        marked = inline or marked
    numbered = [m for m in marked if regex.search(_NUMBER, m["mark"])]
    top = numbered or marked
    if top:  # numbers may be aligned to the right: the first one stands deepest of those that count
        found = [m["name"] for m in top if len(m["indent"]) <= len(top[0]["indent"])]
    else:  # a bare list: a line that ends like a sentence or announces a list is no name
        found = [line for line in lines if not line.endswith((".", "!", "?", ":", "。", "！", "？", "："))]
    names: dict[str, str] = {}
    for line in found:
        name = (
            unicodedata.normalize("NFC", " ".join(_EXPLAINED.sub("", line).split()))
            .strip(" *_|\"'“”「」.,;，。；、")
            .lstrip("# ")
        )
        if any(c.isalpha() for c in name) and len(name) <= LONGEST:
            names.setdefault(name.casefold(), name)
    return list(names.values())
