"""Rules by name: what is broken whatever it says (on by default), and what one may not want (off until named)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Literal, NamedTuple

import pyarrow as pa
import regex

from datagen.data.rows import said, view
from datagen.options import between, option
from datagen.remnants import control_token, is_placeholder, is_visible, remnant, says_nothing
from datagen.repeats import asked_for, prose_lines, repeated, says_a_word
from datagen.stage import Context, Stage, Verdict
from datagen.text.language import LANGUAGES
from datagen.text.row_language import language_of
from datagen.text.tokens import UNSPACED_CHARACTER, tokens
from datagen.text.wordlists import entries, file_of

_CUT = regex.compile(r"[\p{L}\p{M}\p{N},，、;；:：(（\[「『“\-–—]\s*\Z")
_FENCE = regex.compile(r"^[ \t]*```", regex.M)
SHORT = 12  # tokens; shorter answers repeat, echo and end as they like: `Paris`, `yes yes`, a line of a list
WORDS_AGAIN = 8  # tokens in a row that come again and again in a degenerate answer
BEGINNING = 200  # characters in which a refusal says so
DEFAULT = ("empty_answer", "empty_task", "template_remnant")


class Row(NamedTuple):
    """The texts of a row that rules look at."""

    task: str
    input: str
    answer: str
    prompt: str  # all that comes before the answer
    answers: list[str]  # of every turn
    asked: bool  # whether a user says anything, or nobody was to


@dataclass(frozen=True)
class Rules(Stage):
    r"""Drop rows with an empty answer or task, remnants of a template, or what else is named.

    On by default: `empty_answer`, `empty_task`, `template_remnant`. By name (`use=empty_answer,echo,language`): `length`
    (`too_short`, `too_long`; give min_task, max_task, min_answer or max_answer, in tokens: words, characters of unspaced
    scripts), `echo`, `refusal`, `repetition`, `cut_ending`, `boilerplate`, `language` (fills the column; with
    `languages=en,zh,th` others are `wrong_language`), `toxic`, `biased`. `use=all` for all. With `mode=flag` nothing is
    dropped: the column `rules` names what is broken. Every rule is a habit, not a proof: safety data is refusals, a short
    answer may be the right one; its cost on real sets is printed by `benchmarks/rules_cost.py`.
    """

    use: tuple[str, ...] = option(DEFAULT, "names of rules, in place of the three that are on; or all")
    mode: Literal["drop", "flag"] = option("drop", "flag: a column `rules`, no drop")
    min_task: int = option(0, "tokens")
    max_task: int | None = option(None, "tokens; off = no limit")
    min_answer: int = option(0, "tokens")
    max_answer: int | None = option(None, "tokens; off = no limit")
    languages: tuple[str, ...] = option((), "ISO 639-1 codes that may stay; none = any")
    refusals: str = option("refusals", "beginnings of answers, or a file of them")
    boilerplate: str = option("boilerplate", "phrases, or a file of them")
    toxic: str = option("toxic", "words, or a file of them")
    biased: str = option("biased", "phrases, or a file of them")

    version: ClassVar[int] = 4
    reasons: ClassVar[frozenset[str]] = frozenset(
        {*DEFAULT, "too_short", "too_long", "echo", "refusal", "repetition", "cut_ending", "boilerplate", "wrong_language"}
        | {"toxic", "biased"}
    )
    decides: ClassVar[frozenset[str]] = frozenset({"mode"})

    def __post_init__(self) -> None:
        known = [*RULES, "length", "language"]
        if wrong := [name for name in self.use if name not in (*known, "all", "off", "")]:
            raise ValueError(f"use: there is no rule '{wrong[0]}'; rules are {', '.join(sorted(known))}, or all")
        if "length" in self.use and not self._limited:
            raise ValueError("use=length needs a limit: min_task, max_task, min_answer or max_answer")
        if unknown := [code for code in self.languages if code not in LANGUAGES]:
            raise ValueError(f"languages: '{unknown[0]}' is no code of a language that is known here, such as en, zh or th")
        for name in ("task", "answer"):
            between(f"min_{name}", least := getattr(self, f"min_{name}"), 0, 2**31)
            if (most := getattr(self, f"max_{name}")) is not None and most < max(1, least):
                raise ValueError(f"max_{name} must be 1 or more, and not below min_{name}, not {most}")

    @property
    def _limited(self) -> bool:
        return bool(self.min_task or self.min_answer or self.max_task or self.max_answer)

    @property
    def names(self) -> tuple[str, ...]:
        """The rules that are on; a limit or `languages` turns its rule on."""
        on = set(RULES) | {"length", "language"} if "all" in self.use else set(self.use)
        on |= {"length"} if self._limited else set()
        on |= {"language"} if self.languages else set()
        return tuple(name for name in (*RULES, "length", "language") if name in on)

    @property
    def adds(self) -> dict[str, pa.DataType]:
        """The language, where it is asked for, and the broken rules where nothing is dropped for them."""
        found = {"language": pa.string()} if "language" in self.names else {}
        return {**found, "rules": pa.list_(pa.string())} if self.mode == "flag" else found

    @property
    def files(self) -> dict[str, tuple[str, ...]]:
        """The word lists in use."""
        lists = {"refusal": self.refusals, "boilerplate": self.boilerplate, "toxic": self.toxic, "biased": self.biased}
        return {name: (str(file_of(path)),) for name, path in lists.items() if name in self.names}

    @property
    def guarded(self) -> bool:
        """A rule that most of a source breaks is a rule that does not fit it."""
        return self.mode == "drop"

    @property
    def protects(self) -> str:
        """Readers, where it drops what is toxic or biased."""
        return "safety" if {"toxic", "biased"} & set(self.names) else ""

    @property
    def needs_answers(self) -> Literal["", "any", "needed"]:
        """Rows with one, where it drops those without."""
        return "needed" if self.mode == "drop" and "empty_answer" in self.names else ""

    @property
    def incremental(self) -> bool:
        """A row is judged by itself."""
        return True

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, pa.Array]:
        """Return the rules that each row breaks, in their order, the text that broke the first, and the language if asked."""
        columns: dict[str, list[str | None]] = {"evidence": []}
        broken: list[list[str]] = []
        languages: list[str] = []
        known, names = rows.column("language").to_pylist(), self.names
        by_text = [name for name in names if name in RULES]
        for row, given in zip(texts_of(rows), known, strict=True):
            found = [hit for name in by_text if (hit := self._hit(name, row))]
            if "length" in names and (hit := self._length(row)):
                found.append(hit)
            if "language" in names:
                languages.append(given or language_of(row.task, row.answer))
                if self.languages and (hit := self._language(row, languages[-1])):
                    found.append(hit)
            broken.append([reason for reason, _ in found])
            columns["evidence"].append(found[0][1] if found else None)
        scores = {
            "reason": pa.array([b[0] if b else None for b in broken], pa.string()),
            "evidence": pa.array(columns["evidence"], pa.string()),
        }
        if "language" in self.names:
            scores["language"] = pa.array([name or None for name in languages], pa.string())
        return {**scores, "rules": pa.array(broken, pa.list_(pa.string()))} if self.mode == "flag" else scores

    def decide(self, columns: pa.Table, ctx: Context) -> Verdict:
        """Drop each row that broke a rule."""
        if self.mode == "flag":
            flagged = Counter(columns.column("rules").combine_chunks().flatten().to_pylist())
            return Verdict(pa.nulls(len(columns), pa.string()), notes={"flagged": dict(flagged)} if flagged else {})
        return Verdict(columns.column("reason").combine_chunks(), evidence=columns.column("evidence").combine_chunks())

    def score_options(self) -> dict[str, object]:
        """Flagging adds a column to the scores, so the mode is one of their options."""
        return {**super().score_options(), "mode": self.mode}

    def _hit(self, name: str, row: Row) -> tuple[str, str | None] | None:
        lists = {"refusal": self.refusals, "boilerplate": self.boilerplate, "toxic": self.toxic, "biased": self.biased}
        found = RULES[name](row, lists.get(name, ""))
        return None if found is None else (name, found or None)

    def _length(self, row: Row) -> tuple[str, str] | None:
        """Task or answer have fewer or more tokens than asked. Example: `"output": "Yes."` with `min_answer=5`."""
        limits = (("task", row.task, self.min_task, self.max_task), ("answer", row.answer, self.min_answer, self.max_answer))
        for name, text, least, most in limits:
            if least or most is not None:
                count = len(tokens(text))
                if count < least:
                    return "too_short", f"{name}: {count} tokens"
                if most is not None and count > most:
                    return "too_long", f"{name}: {count} tokens"
        return None

    def _language(self, row: Row, language: str) -> tuple[str, str] | None:
        """The answer is in another language than asked. Example: `"output": "สวัสดี"` with `languages=en`."""
        return ("wrong_language", language) if language and language not in self.languages else None


def texts_of(rows: pa.Table) -> list[Row]:
    """Return the texts of rows that rules look at."""
    messages = rows.column("messages").to_pylist()
    answers = [
        [o] if m is None else [said(t) for t in m if t["role"] == "assistant"]
        for o, m in zip(rows.column("output").to_pylist(), messages, strict=True)
    ]
    given, tasks = rows.column("input").to_pylist(), rows.column("instruction").to_pylist()
    asked = [
        any(is_visible(said(t)) for t in m if t["role"] == "user") or all(t["role"] != "user" for t in m)
        if m is not None else is_visible(task) or is_visible(material)
        for m, task, material in zip(messages, tasks, given, strict=True)
    ]  # fmt: skip
    materials = ["" if is_placeholder(material) else material for material in given]
    texts = zip(tasks, materials, view(rows, "answer"), view(rows, "context"), answers, asked, strict=True)
    return [Row(*t) for t in texts]


def empty_answer(row: Row, words: str) -> str | None:
    r"""The final answer has no visible character and calls no tool, or is a placeholder. Examples: `" \n"`, `nan`."""
    return "" if says_nothing(row.answer, row.prompt) else None


def empty_task(row: Row, words: str) -> str | None:
    r"""Nobody asks anything: no visible character in the task, its material or an earlier turn. Example: `" "`."""
    return None if row.asked else ""


def template_remnant(row: Row, words: str) -> str | None:
    r"""A control token at an end of a text, or one that opens a turn; a heading or a label of the next turn; a placeholder.

    Examples: `"output": "Paris.<|im_end|>"`, `"output": "### Response:\nParis."`, `"instruction": "{instruction}"`,
    `"output": "Paris.\nUser: And Rome?\nAssistant: Italy."`.
    """
    for text in row.answers:
        if hit := remnant(text, row.prompt):
            return hit
    for text in (row.task, row.input):
        if hit := control_token(text, ""):
            return hit
    return row.task.strip() if is_placeholder(row.task) else None


def echo(row: Row, words: str) -> str | None:
    """The answer is the task or its input again. Example: task `Translate this: …`, answer the same text."""
    answer = " ".join(tokens(row.answer))
    if len(answer.split()) < SHORT:
        return None
    same = next((t for t in (row.task, row.input, row.prompt) if t and " ".join(tokens(t)) == answer), None)
    return None if same is None else same[:80]


def refusal(row: Row, words: str) -> str | None:
    """The answer begins by refusing. Example: `I'm sorry, but I can't help with that.`."""
    beginning = row.answer[:BEGINNING].casefold().replace("’", "'")
    return next((phrase for phrase in entries(words) if phrase in beginning), None)


def repetition(row: Row, words: str) -> str | None:
    """An answer repeats itself, or an earlier answer of the conversation.

    Example: `the same the same the same …`.
    """
    long = [a for a in (answer.strip() for answer in row.answers) if len(tokens(a)) >= SHORT]
    if len(set(long)) < len(long):
        return f"an earlier turn: {long[-1][:80]}"
    if asked_for(row.prompt):
        return None
    if stuck := next((r for a in row.answers if (r := repeated(a))), None):
        return stuck
    found = tokens("\n".join(prose_lines(row.answer)))
    if len(found) < 3 * WORDS_AGAIN:
        return None
    grams = Counter(tuple(found[i : i + WORDS_AGAIN]) for i in range(len(found) - WORDS_AGAIN + 1))
    (gram, count), covered = grams.most_common(1)[0], sum(c for c in grams.values() if c > 2)
    again = count > 2 and covered * 3 > sum(grams.values()) and says_a_word(gram)
    return f"{count} times: {' '.join(gram)}" if again else None


def cut_ending(row: Row, words: str) -> str | None:
    """A long answer ends in the middle of a sentence, or inside a code fence.

    Example: `… and the third step is to`.
    """
    answer = row.answer.rstrip()
    if len(_FENCE.findall(answer)) % 2:
        return "an open code fence"
    last = answer.rsplit("\n", 1)[-1]
    if len(tokens(last)) < SHORT or UNSPACED_CHARACTER.match(last[-1:]) or not _CUT.search(last):
        return None
    return last[-60:]


def boilerplate(row: Row, words: str) -> str | None:
    """The answer holds what an assistant says of itself.

    Example: `As an AI language model, …`.
    """
    answer = row.answer.casefold().replace("’", "'")
    return next((phrase for phrase in entries(words) if phrase in answer), None)


def listed(row: Row, words: str) -> str | None:
    """Task, input or answer hold an entry of a word list, as whole words. Example: any line of `wordlists/toxic.txt`."""
    hit = _pattern(entries(words)).search("\n".join((row.task, row.input, row.answer)))
    return hit.group() if hit else None


@lru_cache(maxsize=8)
def _pattern(words: tuple[str, ...]) -> regex.Pattern[str]:
    spaced = [regex.escape(w) for w in words if not UNSPACED_CHARACTER.search(w)]
    unspaced = [regex.escape(w) for w in words if UNSPACED_CHARACTER.search(w)]
    either = [rf"(?<!\w)(?:{'|'.join(spaced)})(?!\w)"] if spaced else []
    return regex.compile("|".join([*either, *unspaced]) or r"(?!)", flags=regex.I)


RULES: dict[str, Callable[[Row, str], str | None]] = {
    "empty_answer": empty_answer, "empty_task": empty_task, "template_remnant": template_remnant, "echo": echo,
    "refusal": refusal, "repetition": repetition, "cut_ending": cut_ending, "boilerplate": boilerplate,
    "toxic": listed, "biased": listed,
}  # fmt: skip
