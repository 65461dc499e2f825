"""Compiled or not, a kernel gives the same; small calls need no compiler, and many of them together do."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen import kernels
from datagen.kernels import kernel, only
from datagen.similarity import jaccard, lcs, minhash, ngrams, postings, rouge_l, same_answer, token_lists
from datagen.similarity.consensus import mean_f1
from datagen.similarity.rouge_nearest import nearest
from datagen.similarity.rouge_pool import RougePool
from datagen.similarity.same_answer import same_of
from datagen.similarity.token_lists import TokenLists, from_strings, split_at
from datagen.similarity.tokenised import tokenised, tokenised_words
from datagen.text.language_model import Model

ROWS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=12), max_size=12)
LONG = st.lists(st.integers(0, 30), max_size=200)  # over 64 tokens, and over 128
TEXTS = st.lists(st.text(alphabet="ab'_-.,01 2\t\n(+*A'Z9~:;é’“”中ก", max_size=30), max_size=8)
SHARES = st.sampled_from([0.0, 0.3, 0.5, 2 / 3, 0.7, 0.9])
IDS = st.lists(st.integers(0, 9), max_size=60)


def listed(value: Any) -> Any:
    """Arrays as lists with their type, so that == compares all of it."""
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.tolist()
    if isinstance(value, TokenLists):
        return [listed(v) for v in (value.ids, value.offsets, value.size)]
    if isinstance(value, (tuple, list)):
        return [listed(v) for v in value]
    return value.item() if isinstance(value, np.generic) else value


def both_ways(made: Callable[[], Any]) -> tuple[Any, Any]:
    """What is made without a compiler, and what with one."""
    with only("plain"):
        plain = listed(made())
    with only("compiled"):
        return plain, listed(made())


def uint32(values: list[int]) -> Any:
    return np.array(values, np.uint32)


@given(left=IDS, right=IDS)
def test_numbering(left: list[int], right: list[int]) -> None:
    n = min(len(left), len(right))
    plain, compiled = both_ways(lambda: token_lists.number_pairs(uint32(left[:n]), uint32(right[:n])))
    assert plain == compiled
    plain, compiled = both_ways(lambda: token_lists.by_rarity(uint32(left), 12))
    assert plain == compiled
    plain, compiled = both_ways(lambda: token_lists.by_rarity(uint32([]), 0))
    assert plain == compiled
    for size in (1, 2, 5):
        plain, compiled = both_ways(lambda size=size: jaccard.ngram_ids(uint32(left), size))
        assert plain == compiled


@given(rows=ROWS, n=st.integers(1, 6))
def test_shingles(rows: list[list[str]], n: int) -> None:
    plain, compiled = both_ways(lambda: jaccard.shingles(from_strings(rows), n))
    assert plain == compiled


@given(values=st.lists(st.integers(0, 2**64 - 1), max_size=20), keys=st.lists(st.integers(0, 2**32 - 1), max_size=20))
def test_bits(values: list[int], keys: list[int]) -> None:
    for value in values:
        assert both_ways(lambda value=value: int(postings.popcount(np.uint64(value)))) == (value.bit_count(),) * 2
    plain, compiled = both_ways(lambda: int(postings.bitmap_of(uint32(keys))))
    assert plain == compiled


@given(x=LONG, y=LONG, share=SHARES)
def test_longest_common_subsequence(x: list[int], y: list[int], share: float) -> None:
    scratch = lcs.new_scratch([TokenLists(uint32(x + y), np.array([0, len(x), len(x) + len(y)]), 31)])
    plain, compiled = both_ways(lambda: lcs.lcs(uint32(x), uint32(y), scratch, share * len(x)))
    assert plain == compiled
    assert not scratch.slot.tolist() or max(scratch.slot.tolist()) == -1


@settings(max_examples=60)
@given(rows=ROWS, data=st.data(), t=SHARES, answer_t=SHARES, pinned=st.integers(0, 3))
def test_duplicates(rows: list[list[str]], data: st.DataObject, t: float, answer_t: float, pinned: int) -> None:
    n = len(rows)
    answers = data.draw(st.lists(st.lists(st.sampled_from("abcxyz"), max_size=10), min_size=n, max_size=n))
    facts = np.array(data.draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)), np.int64)
    numbers = st.lists(st.integers(-1, 2), min_size=n, max_size=n)
    contexts = rouge_l.Contexts(np.array(data.draw(numbers), np.int64), np.array(data.draw(numbers), np.int64))
    buckets = np.array(data.draw(st.lists(st.integers(0, 1), min_size=2 * n, max_size=2 * n)), np.int32).reshape(n, 2)
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)

    def made() -> Any:
        text = from_strings(rows)
        tasks, said = split_at(from_strings([*rows, *answers]), n)
        same = same_of(answer_t, 3, facts, tasks, said)
        same = same._replace(asked=tasks.ids, asked_offsets=tasks.offsets, least=(facts + 1).astype(np.int8))
        sets = jaccard.shingles(text, 2)
        found = [rouge_l.greedy(text, t), rouge_l.greedy(text, t, said, same, pinned=pinned, contexts=contexts)]
        found += [jaccard.greedy(sets, max(t, 0.01), *given) for given in ((), (said, same))]
        found.append(jaccard.greedy(sets, max(t, 0.01), said, same, pinned=pinned, buckets=buckets))
        return [[f.witness, f.score, f.conflict] for f in found], nearest(text, kept, 3, t), same_answer.holders(tasks, said)

    plain, compiled = both_ways(made)
    assert plain == compiled


@settings(max_examples=150)
@given(
    rows=st.lists(st.lists(st.integers(0, 25), max_size=90), max_size=12),
    ratio=st.sampled_from([0.0, 0.1, 1 / 3, 0.5, 7 / 13, 0.9, 1.0]),
)
def test_postings(rows: list[list[int]], ratio: float) -> None:
    keys = [uint32(sorted(row, reverse=True)) for row in rows]
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    flat = np.concatenate([uint32([]), *keys])

    def made() -> Any:
        index, seen, walked = postings.index_for(flat, offsets, 30, ratio), np.zeros(len(rows), np.int32), []
        laid_out = listed([index.head, index.lists[: index.used[0]], index.used, len(index.entries)])
        for row, mine in enumerate(keys):
            found = np.full(len(rows), -7, np.int32)
            walked.append((postings.candidates(index, mine, ratio, seen, row + 1, found), found, seen.copy()))
            postings.insert(index, row, mine, ratio)
        return laid_out, walked, index.entries[: index.used[1]].shape

    plain, compiled = both_ways(made)
    assert plain == compiled


@given(tasks=ROWS, data=st.data())
def test_distinct_tokens_of_rows(tasks: list[list[str]], data: st.DataObject) -> None:
    said = data.draw(st.lists(st.lists(st.sampled_from("abcxyz"), max_size=10), min_size=len(tasks), max_size=len(tasks)))
    left, right = split_at(from_strings([*tasks, *said]), len(tasks))
    plain, compiled = both_ways(lambda: same_answer.row_tokens(left.ids, left.offsets, right.ids, right.offsets, left.size))
    assert plain == compiled


@given(rows=ROWS, t=SHARES)
def test_a_pool_that_grows(rows: list[list[str]], t: float) -> None:
    def made() -> Any:
        pool, found = RougePool(t), []
        for row in rows:
            found.append(pool.nearest(row))
            pool.add(row)
        return found, [pool.nearest(row, among=2) for row in rows]

    plain, compiled = both_ways(made)
    assert plain == compiled


@given(rows=ROWS)
def test_agreement_of_answers(rows: list[list[str]]) -> None:
    plain, compiled = both_ways(lambda: mean_f1([" ".join(row) for row in rows]))
    assert plain == compiled


@settings(max_examples=60)
@given(texts=ROWS, rows=ROWS, common=ROWS, n=st.integers(1, 4))
def test_ngrams_of_texts(texts: list[list[str]], rows: list[list[str]], common: list[list[str]], n: int) -> None:
    def numbered(lists: list[list[str]], other: int) -> tuple[list[Any], Any]:
        return [uint32(["abcdefgh".index(t) + 1 if t < other else 0 for t in row]) for row in lists], np.cumsum(
            [0, *map(len, lists)]
        ).astype(np.int64)

    def made() -> Any:
        parts, offsets = numbered(texts, "z")
        held = np.concatenate([uint32([]), *parts])
        lengths = np.array([n if len(p) >= n else 0 for p in parts], np.int32)
        grams = ngrams.index(held, offsets, lengths, n)
        if n > 1:
            grams = ngrams.without(grams, held, numbered(common, "z")[0])
        mine, ends = numbered(rows, "g")  # g and h are tokens that no text has
        flat, last = np.concatenate([uint32([]), *mine]), np.array([*range(2, len(rows), 2), len(rows)], np.int64)
        coverage, found = ngrams.best_covered(
            flat, ends[1:], last, held, grams, np.maximum(1, ngrams.distinct(grams, len(texts)))
        )
        spans = [ngrams.longest_span(flat, ends[1:], held, grams, text) for text in range(len(texts))]
        return coverage, found, spans

    plain, compiled = both_ways(made)
    assert plain == compiled


@given(texts=TEXTS)
def test_tokens(texts: list[str]) -> None:
    for cut in (tokenised, tokenised_words):
        plain, compiled = both_ways(lambda cut=cut: [(t := cut(texts)).ids, t.offsets, t.vocabulary])
        assert plain == compiled


@given(rows=st.lists(st.lists(st.integers(0, 2**32 - 1), max_size=5), max_size=5))
def test_signatures(rows: list[list[int]]) -> None:
    ends = np.cumsum([len(r) for r in rows]).astype(np.int64)
    a, b = uint32([3, 2**32 - 5, 77]), uint32([2**32 - 1, 0, 123])
    plain, compiled = both_ways(lambda: minhash.least(uint32([h for row in rows for h in row]), ends, a, b))
    assert plain == compiled


@pytest.fixture(scope="module")
def model() -> Model:
    """py3langid's model for languages in Latin letters."""
    from datagen.text.language import _identifier

    return _identifier("latin")


@given(text=st.one_of(st.text(max_size=60), st.text(alphabet="abcdefgh éüñ", max_size=200)))
def test_languages(model: Model, text: str) -> None:
    plain, compiled = both_ways(lambda: model._probabilities(text))
    assert plain == compiled


def counted(ran: list[str], busy_ms: float) -> kernels.Kernel[Any, Any]:
    """A kernel that says which way it went, and takes so long without a compiler."""

    def plain(x: int) -> int:
        ran.append("plain")
        until = time.thread_time() + busy_ms / 1000
        while time.thread_time() < until:
            pass
        return 2 * x

    class Told(kernels.Kernel[Any, Any]):
        @property
        def compiled(self) -> Callable[[int], int]:
            return lambda x: ran.append("compiled") or x + x

        def _prepare(self, args: tuple[Any, ...]) -> None:
            self._ready = True

    return Told(lambda x: x + x, plain, lambda x: 1)


def test_small_calls_that_add_up_are_compiled_whatever_was_expected_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_waited", 0.0)
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    monkeypatch.setattr(kernels, "PATIENCE", 40_000)
    monkeypatch.setattr(kernels, "ADDED_UP", 20_000)
    ran: dict[str, list[str]] = {"often": [], "long": [], "rare": []}
    often, long, rare = counted(ran["often"], 1), counted(ran["long"], 15), counted(ran["rare"], 1)
    assert rare(1) == 2
    assert [often(i) for i in range(60)] == [2 * i for i in range(60)]  # its own 20 ms and, with the others', 40
    assert 36 <= ran["often"].count("plain") <= 40
    assert ran["often"][-20:] == ["compiled"] * 20
    for i in range(3):  # 15 ms, 30 ms, and then it has added up too
        assert long(i) == 2 * i
    assert ran["long"] == ["plain", "plain", "compiled"]
    assert rare(1) == 2
    assert ran["rare"] == ["plain", "plain"]  # nothing would be won


def test_a_kernel_in_a_loop_waits_for_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_waited", 0.0)
    monkeypatch.delitem(sys.modules, "numba", raising=False)
    monkeypatch.setattr(kernels, "ADDED_UP", 5_000)
    monkeypatch.setattr(kernels, "MANY", 20)
    ran: list[str] = []
    often = counted(ran, 1)
    assert [often(i) for i in range(30)] == [2 * i for i in range(30)]
    assert ran == ["plain"] * 20 + ["compiled"] * 10


def test_once_numba_is_loaded_each_kernel_waits_for_itself_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_waited", 0.0)
    monkeypatch.setitem(sys.modules, "numba", sys)
    monkeypatch.setattr(kernels, "ADDED_UP", 20_000)
    ran: list[str] = []
    often = counted(ran, 15)
    assert [often(i) for i in range(4)] == [0, 2, 4, 6]
    assert ran == ["plain", "plain", "compiled", "compiled"]


@pytest.mark.parametrize("calls", [kernels.MANY + 1, 3 * kernels.MANY])
def test_what_is_compiled_for_a_loop_is_compiled_beside_it_and_the_program_ends_when_it_wants(calls: int) -> None:
    program = f"""
import sys, time
import numpy as np
from datagen import kernels
from datagen.similarity import lcs
from datagen.similarity.token_lists import TokenLists
kernels.ADDED_UP = 0.0
x, y = np.arange(9, dtype=np.uint32), np.arange(4, dtype=np.uint32)
scratch = lcs.new_scratch([TokenLists(np.concatenate([x, y]), np.array([0, 9, 13]), 9)])
found = {{int(lcs.lcs(x, y, scratch, 0.0)) for _ in range({calls})}}
until = time.monotonic() + (60 if {calls} > 2000 else 0)
while not lcs.lcs._ready and time.monotonic() < until:
    time.sleep(0.01)
found.add(int(lcs.lcs(x, y, scratch, 0.0)))
print(found, lcs.lcs._asked, lcs.lcs._ready or {calls} < 2000)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("{4} True True\n", "")


def test_a_large_call_is_compiled_at_once() -> None:
    same = kernel(work=lambda n: n)(lambda n: n)
    same._compiled = lambda n: "compiled"
    assert same(2 * kernels.LARGE) == "compiled"
    assert same(1) == "compiled"  # it is there now


def test_a_small_filter_loads_no_compiler() -> None:
    program = (
        "import sys; from datagen.similarity import jaccard, rouge_l, token_lists;"
        "lists = token_lists.from_strings([['a', 'b', 'c'], ['a', 'b', 'c'], ['x']]);"
        "print([p.greedy(lists, 0.7).witness.tolist() for p in (rouge_l, jaccard)], 'numba' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout == "[[-1, 0, -1], [-1, 0, -1]] False\n"


def test_what_is_compiled_is_kept_for_the_code_of_all_kernels_that_it_calls() -> None:
    """Else an old answer comes out of the cache where only a module that a kernel calls has changed."""
    reached = [kernels.reached(cast(Any, k)._function) for k in (rouge_l.run_greedy, lcs.lcs)]
    own = {f"datagen.similarity.{name}" for name in ("rouge_l", "answers", "lcs", "postings")}
    assert own <= reached[0]
    assert "datagen.similarity.answers" not in reached[1]
    assert len({kernels.sources(names) for names in reached}) == 2
