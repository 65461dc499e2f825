"""When two rows have the same answer: what keeps a near-duplicate test from dropping another fact.

A similarity of the whole text does not see one changed name or number. So a row counts as a repetition only when its answers
are alike too, short ones equal, when its facts (numbers, operators, identifiers, tools) agree, when no token is new both in its
task and in its answer, as the name of another entity is, and when a short question of a script without spaces is about nothing
else (`questions`). Personal data are no facts, nor is anything in a signature, nor are symbols that only decorate a text
(`decoration`); and no symbol names an entity.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from datagen.data.rows import View, view
from datagen.kernels import kernel
from datagen.similarity.answers import NO_LIMIT, NOTHING, Same
from datagen.similarity.columns import token_lists, without
from datagen.similarity.decoration import is_symbol, may_be_decorated, without_decoration, without_marks
from datagen.similarity.signatures import without_data, without_signature
from datagen.similarity.token_lists import Ids, Offsets, TokenLists, number_pairs, split_at
from datagen.similarity.tokenised import Tokenised, tokenised
from datagen.text.tokens import Units, is_unspaced, tokens
from datagen.text.wordlists import entries

if TYPE_CHECKING:
    from datagen.similarity.rouge_l import Nearest


SPARED_ROWS = 10_000  # among so many kept rows the pairs that `same_facts` spared are counted


def token_columns(rows: pa.Table, field: View, units: Units, same_answer: float | None, short: int) -> dict[str, pa.Array]:
    """Return the score columns of a duplicate stage: tokens of the compared text and, if answers matter, what they need.

    `tokens`; then `task_tokens` (where `tokens` are not them) and `answer_tokens` of the task and all answers without their
    signatures, `facts`, and what short questions are about. The facts of the task itself count only where the answer has fewer
    than `short` tokens: "yes" to another question is another row, a long answer that comes twice is not.
    """
    texts = tokenised(view(rows, field), units)
    if same_answer is None:
        return {"tokens": texts.column()}
    said, contexts = list(map(without_marks, view(rows, "answers"))), view(rows, "context")
    answers = tokenised(said, units)
    tasks = texts if field == "context" else tokenised(contexts, units)
    is_short = answers.counts < short
    # Short answers must be equal, whatever they end with: rows are grouped by them, and groups are not compared at all.
    brief = [" ".join(answers.of(row)) if yes else None for row, yes in enumerate(is_short.tolist())]
    with_data = ~is_short & may_hold_data(answers, units)
    bodies = _changed(said, with_data, without_signature)
    kept = replaced(answers, list(bodies), tokenised(list(bodies.values()), units)) if bodies else answers
    bare_tasks = _changed(contexts, is_short & may_hold_data(tasks, units), lambda text: without_signature(text, sure=True))
    bare_tasks |= _changed(_with(contexts, bare_tasks), is_short & may_be_decorated(tasks), _undecorated_task)
    facts_of_tasks = _facts(tasks, bare_tasks, is_short, units)
    plain = _changed(_with(said, bodies), with_data, without_data)
    plain |= _changed(_with(said, bodies | plain), ~is_short & may_be_decorated(kept), without_decoration)
    facts_of_answers = _facts(kept, plain, np.ones(len(rows), bool), units)
    known = zip(facts_of_tasks, facts_of_answers, rows.column("tools").to_pylist(), strict=True)
    return {
        "tokens": texts.column(),
        **({} if tasks is texts else {"task_tokens": tasks.column()}),
        "answer_tokens": kept.column(),
        "short_answers": pa.array(brief, pa.string()),
        "facts": pa.array(["\n".join(k) for k in known], pa.string()),
        **question_columns(tasks, contexts, answers.counts, short, units),
    }


def replaced(found: Tokenised, texts: list[int], by: Tokenised) -> Tokenised:
    """Return tokens of texts with those of some, whose numbers rise, in place of what these had."""
    index = {token: i for i, token in enumerate(found.vocabulary)}
    number = np.array([index.setdefault(token, len(index)) for token in by.vocabulary], np.int32)
    theirs, counts = np.zeros(len(found.counts), bool), found.counts
    theirs[texts] = True
    mine = found.ids[np.repeat(~theirs, counts)]
    counts[theirs] = by.counts
    ids, from_them = np.empty(int(counts.sum()), np.int32), np.repeat(theirs, counts)
    ids[from_them], ids[~from_them] = number[by.ids], mine
    return Tokenised(ids, np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), list(index))


def may_hold_data(found: Tokenised, units: Units) -> npt.NDArray[np.bool_]:
    """Return which texts may hold personal data, which there are none of without a digit or an address's sign: bool[n]."""
    if units == "rouge_score":  # which knows tokens of ASCII only
        return np.ones(len(found.counts), bool)
    return found.holding(lambda token: any(c.isdigit() or c in "@＠" for c in token))


def _with(texts: list[str], changed: dict[int, str]) -> list[str]:
    """Return texts, those at some places changed."""
    return [changed.get(row, text) for row, text in enumerate(texts)] if changed else texts


def _undecorated_task(text: str) -> str:
    return without_decoration(text, pictures_alone=True)


def _changed(texts: list[str], wanted: npt.NDArray[np.bool_], change: Callable[[str], str]) -> dict[int, str]:
    """Return, by their places, those of the wanted texts that a change makes others."""
    found = ((row, change(texts[row])) for row in np.flatnonzero(wanted).tolist())
    return {row: text for row, text in found if text is not texts[row] and text != texts[row]}


def _facts(found: Tokenised, bare: dict[int, str], wanted: npt.NDArray[np.bool_], units: Units) -> list[str]:
    """Return the facts of the wanted texts: of the tokens found in them, or, where some of a text is no fact, of the rest."""
    as_found = wanted.copy()
    as_found[list(bare)] = False
    facts = found.facts(as_found)
    rest = tokenised(list(bare.values()), units)
    for row, said in zip(bare, rest.facts(np.ones(len(bare), bool)), strict=True):
        facts[row] = said
    return facts


def digests(texts: list[str]) -> list[bytes]:
    """Return 8 bytes per text that tell it from others, white space and case aside."""
    return [hashlib.blake2b(" ".join(t.casefold().split()).encode(), digest_size=8).digest() for t in texts]


def answers_of(
    columns: pa.Table, threshold: float | None, short: int, same_facts: bool
) -> tuple[TokenLists | None, Same | None]:
    """Return the answers of all rows and what makes two the same, for a kernel; two None when threshold is None."""
    if threshold is None:
        return None, None
    known = _numbered(columns.column("short_answers"))
    if same_facts:
        known = number_pairs(known, _numbered(columns.column("facts")))
    # One vocabulary for all: a token of the task is looked for in the answer.
    task = columns.column("task_tokens" if "task_tokens" in columns.column_names else "tokens")
    texts = [without(task, is_symbol), columns.column("answer_tokens"), columns.column("asked_tokens")]
    tasks, rest = split_at(token_lists(pa.chunked_array([chunk for text in texts for chunk in text.chunks])), len(columns))
    answers, asked = split_at(rest, len(columns))
    same = same_of(threshold, short, known.astype(np.int64), tasks, answers)
    least = columns.column("asked_least").to_numpy()
    if same_facts and least.any():
        same = same._replace(asked=asked.ids, asked_offsets=asked.offsets, least=least)
    return answers, same


def spared(
    columns: pa.Table, kept: npt.NDArray[np.bool_], pinned: int, nearest: Callable[[pa.Table, int], Nearest]
) -> dict[str, int]:
    """Return what a stage notes of the pairs that `same_facts` spared: kept rows that repeat an earlier one but for facts.

    Args:
        columns: the score columns of all rows.
        kept: bool[n], the rows that stay.
        pinned: rows at the beginning that are those of another set.
        nearest: compares rows, so many of them pinned, without regard to facts.

    Returns:
        `spared_by_same_facts`, how many, and `spared_among`, of how many of the first kept rows, where there are more: the
        comparison is as long as the stage's own. Empty where there are none.
    """
    held = int(kept[:pinned].sum())
    rows = np.flatnonzero(kept)[: held + SPARED_ROWS]
    columns = columns if len(rows) == len(columns) else columns.take(pa.array(rows))
    known, facts = _numbered(columns.column("short_answers")), _numbered(columns.column("facts"))
    limited = columns.column("asked_least").to_numpy().any()
    if not limited and len(np.unique(number_pairs(known, facts))) == len(np.unique(known)):
        return {}  # where the rest agrees, so do the facts
    pairs = int((nearest(columns, held).witness >= 0).sum())
    among = {"spared_among": SPARED_ROWS} if kept.sum() > held + SPARED_ROWS else {}
    return {"spared_by_same_facts": pairs, **among} if pairs else {}


def same_of(threshold: float, short: int, facts: npt.NDArray[np.int64], tasks: TokenLists, answers: TokenLists) -> Same:
    """Return what makes two answers the same, with the rows that hold each row's rarest entity; one vocabulary for both."""
    held = holders(tasks, answers)
    return Same(threshold, short, facts, tasks.ids, tasks.offsets, *held, NOTHING, np.zeros(1, np.int64), NO_LIMIT)


def _numbered(column: pa.ChunkedArray) -> Ids:
    """One number per distinct text, null among them, so that the kernel compares numbers."""
    codes = column.combine_chunks().dictionary_encode(null_encoding="encode").indices
    numbers: Ids = codes.to_numpy().astype(np.uint32)
    return numbers


LONGEST = 200  # tokens of a question; in a longer text one more word makes no other question
# A cluster of Thai, Lao, Burmese or Khmer is a letter; of Han and kana it is a syllable or a word.
OF_LETTERS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
LEAST = 2  # tokens of each, in the place of the other's; one letter less or more may be mistyped
FEW = 12  # tokens that are left of a question in which one character of Han or kana is enough: 北京 and 南京, 猫 and 狗
WORDS_OF_LETTERS = 2  # times as many letters as `short_answer` are still a short answer


def question_columns(
    tasks: Tokenised, contexts: list[str], lengths: npt.NDArray[np.int64], short: int, units: Units
) -> dict[str, pa.Array]:
    """Return the score columns `asked_tokens` and `asked_least`, of rows with short answers; empty and 0 for others.

    Args:
        tasks: what each row asks, in the units that are compared.
        contexts: the same as text.
        lengths: tokens of each answer.
        short: tokens of an answer that is not short any more.
        units: what `tasks` and `lengths` are counted in.
    """
    unspaced = np.array([is_unspaced(t) for t in tasks.vocabulary], bool)
    held = np.concatenate([[0], np.cumsum(unspaced[tasks.ids])])
    some = held[tasks.offsets[1:]] > held[tasks.offsets[:-1]]
    longer = WORDS_OF_LETTERS if units == "graphemes" else 1
    wanted = some & (lengths < longer * short) & (tasks.counts <= LONGEST)
    if units != "graphemes":  # words of a dictionary: the rows that are wanted, in letters
        tasks = tokenised([text if yes else "" for text, yes in zip(contexts, wanted.tolist(), strict=True)])
    least, left = np.zeros(len(contexts), np.int8), np.zeros(len(tasks.ids), bool)
    for row in np.flatnonzero(wanted).tolist():
        found = tasks.of(row)
        letters = OF_LETTERS.search("".join(found)) is not None
        if letters or lengths[row] < short:
            start = tasks.offsets[row]
            left[start : tasks.offsets[row + 1]] = True
            size = len(found)
            for begin, end in question_words(found):
                left[start + begin : start + end] = False
                size -= end - begin
            least[row] = LEAST if letters or size > FEW else 1
    left &= np.array([not is_symbol(t) for t in tasks.vocabulary], bool)[tasks.ids]
    ends = np.concatenate([[0], np.cumsum(left)])[tasks.offsets]
    asked = Tokenised(tasks.ids[left], ends.astype(np.int64), tasks.vocabulary)
    return {"asked_tokens": asked.column(), "asked_least": pa.array(least)}


def question_words(found: list[str]) -> list[tuple[int, int]]:
    """Return where in the tokens of a question the words stand that ask, the longest words first: begin and end of each."""
    spans = [hit.span() for hit in _question_words().finditer("".join(found))]
    if not spans:
        return []
    places = {start: place for place, start in enumerate(accumulate(map(len, found), initial=0))}
    # One that begins or ends inside a character with its marks is no word.
    return [(places[a], places[b]) for a, b in spans if a in places and b in places]


@cache
def _question_words() -> re.Pattern[str]:
    words = {"".join(tokens(word)) for word in entries("question_words")}
    return re.compile("|".join(map(re.escape, sorted(words, key=lambda w: (-len(w), w)))))


MOST = 64  # rows that hold a token; above, the index of rare tokens finds the candidates

Places = npt.NDArray[np.int64]


def _by_dictionaries(
    tasks: Ids, task_offsets: Offsets, answers: Ids, answer_offsets: Offsets, size: int
) -> tuple[Ids, Offsets, npt.NDArray[np.bool_]]:
    """The same as `row_tokens`, without a compiler."""
    task_ids, task_ends, answer_ids, answer_ends = (a.tolist() for a in (tasks, task_offsets, answers, answer_offsets))
    ids, both, offsets = list[int](), list[bool](), [0]
    for i in range(len(task_ends) - 1):
        asked = dict.fromkeys(task_ids[task_ends[i] : task_ends[i + 1]])
        said = dict.fromkeys(answer_ids[answer_ends[i] : answer_ends[i + 1]])
        both += [token in said for token in asked]
        ids += asked | said
        offsets.append(len(ids))
        both += [False] * (len(ids) - len(both))
    return np.array(ids, np.uint32), np.array(offsets), np.array(both, np.bool_)


@kernel(plain=_by_dictionaries, work=lambda tasks, task_offsets, answers, *rest: 20 + 0.2 * (len(tasks) + len(answers)))
def row_tokens(
    tasks: Ids, task_offsets: Offsets, answers: Ids, answer_offsets: Offsets, size: int
) -> tuple[Ids, Offsets, npt.NDArray[np.bool_]]:
    """Return each row's distinct tokens (ids, offsets int64[n + 1]), and of each token whether task and answer both hold it."""
    n = len(task_offsets) - 1
    ids, both = np.empty(len(tasks) + len(answers), np.uint32), np.zeros(len(tasks) + len(answers), np.bool_)
    offsets, place = np.zeros(n + 1, np.int64), np.full(size, -1, np.int64)
    used = 0
    for i in range(n):
        for token in tasks[task_offsets[i] : task_offsets[i + 1]]:
            if place[token] < offsets[i]:
                ids[used], place[token] = token, used
                used += 1
        asked = used
        for token in answers[answer_offsets[i] : answer_offsets[i + 1]]:
            if place[token] < offsets[i]:
                ids[used], place[token] = token, used
                used += 1
            elif place[token] < asked:
                both[place[token]] = True
        offsets[i + 1] = used
    return ids[:used], offsets, both[:used]


@kernel()
def rarest_of(ids: Ids, offsets: Offsets, both: npt.NDArray[np.bool_], often: Places) -> Places:
    """Return each row's rarest token of those in both, where at most MOST rows hold it: int64[n], -1 = none."""
    found = np.full(len(offsets) - 1, -1, np.int64)
    for i in range(len(found)):
        least = MOST
        for k in range(offsets[i], offsets[i + 1]):
            if both[k] and often[ids[k]] <= least:
                found[i], least = ids[k], often[ids[k]] - 1
    return found


@kernel()
def listed(ids: Ids, offsets: Offsets, begin: Places, total: int) -> npt.NDArray[np.int32]:
    """Return the rows that hold each token, rising, from where `begin` int64[size] says (-1 = not listed)."""
    rows, filled = np.empty(total, np.int32), begin.copy()
    for i in range(len(offsets) - 1):
        for k in range(offsets[i], offsets[i + 1]):
            if filled[ids[k]] >= 0:
                rows[filled[ids[k]]] = i
                filled[ids[k]] += 1
    return rows


def holders(tasks: TokenLists, answers: TokenLists) -> tuple[Places, Places, npt.NDArray[np.int32]]:
    """Return, per row, where in one list of rows those stand that hold its rarest entity: start and end int64[n], rows int32.

    start is -1 for a row without a token that stands in its task and its answer and in at most MOST rows. The rows rise.
    """
    size = max(tasks.size, answers.size)
    ids, offsets, both = row_tokens(tasks.ids, tasks.offsets, answers.ids, answers.offsets, size)
    often = np.bincount(ids, minlength=size)
    rarest = rarest_of(ids, offsets, both, often)
    some = rarest >= 0
    wanted = np.unique(rarest[some])
    ends = np.cumsum(often[wanted])
    begin = np.full(size, -1, np.int64)
    begin[wanted] = ends - often[wanted]
    start, end = np.full(len(rarest), -1, np.int64), np.full(len(rarest), -1, np.int64)
    start[some] = begin[rarest[some]]
    end[some] = start[some] + often[rarest[some]]
    return start, end, listed(ids, offsets, begin, int(ends[-1]) if len(ends) else 0)
