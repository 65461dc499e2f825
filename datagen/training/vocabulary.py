"""A vocabulary grown for another language: BPE goes on from the merges that a tokenizer has, on a corpus of that language.

Merges are appended in the order in which they were found (continued BPE, arXiv 2512.03989): so each new token can be reached,
and text in which no new merge occurs is cut as before, with the ids that it had. Tokens that are merely added are matched as
whole words instead, and most of them are never reached.
"""

from __future__ import annotations

import copy
import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from datagen import folders
from datagen.documents.reading import documents, files_of
from datagen.errors import DataError, ModelError, UsageError
from datagen.json_text import dumps
from datagen.models.causal_lm import load, resolve
from datagen.models.origin import origin_of, write_origin
from datagen.models.weights import quiet
from datagen.progress import counted, shown

_SPACES = str.maketrans("ĠĊĉč", "    ")  # space, line feed, tab, carriage return
LEAST = 2  # times that a pair must occur
HELD_OUT = 20  # every so many-th document is not learned from, but measured


@dataclass(frozen=True)
class Grown:
    """What a vocabulary was, and is, on documents that it did not learn from.

    Attributes:
        tokens: new ones; fewer than were asked for where the corpus has no more pairs.
        documents: that were learned from.
        measured: that were not.
        characters: of these.
        before: tokens that these were.
        after: tokens that these are.
        unreachable: new tokens that their own text is not cut into.
        not_round: measured documents that are not the same when they are decoded.
        changed_ascii: measured pieces of plain ASCII that are cut otherwise than before.
        unread: problem → documents that could not be read.
    """

    tokens: int
    documents: int
    measured: int
    characters: int
    before: int
    after: int
    unreachable: int
    not_round: int
    changed_ascii: int
    unread: Mapping[str, int] = field(default_factory=dict)


def continued(
    words: Mapping[tuple[str, ...], int], size: int, wanted: Callable[[str], bool] = lambda token: True
) -> list[tuple[str, str]]:  # fmt: skip
    """Return the next merges of byte-pair encoding, in order.

    The most frequent pair of neighbours is merged, of equally frequent ones the first by its text, until there are `size` or no
    pair occurs twice. Each merge looks only at the words that hold its pair.

    Args:
        words: pieces of text as the tokens that they are so far, and how often each occurs.
        size: most merges.
        wanted: whether a token may be made.
    """
    pieces = [list(word) for word in words]
    counts = list(words.values())
    pairs: Counter[tuple[str, str]] = Counter()
    where: defaultdict[tuple[str, str], set[int]] = defaultdict(set)
    for at, (word, count) in enumerate(zip(pieces, counts, strict=True)):
        for pair in pairwise(word):
            pairs[pair] += count
            where[pair].add(at)
    heap = [(-count, pair) for pair, count in pairs.items() if count >= LEAST and wanted(pair[0] + pair[1])]
    heapq.heapify(heap)
    found: list[tuple[str, str]] = []
    while heap and len(found) < size:
        negative, pair = heapq.heappop(heap)
        if pairs[pair] != -negative:  # of an earlier count; the present one is in the heap, too
            continue
        found.append(pair)
        changed = _merge(pair, pieces, counts, pairs, where)
        for other in changed:
            if pairs[other] >= LEAST and wanted(other[0] + other[1]):
                heapq.heappush(heap, (-pairs[other], other))
    return found


def _merge(
    pair: tuple[str, str], pieces: list[list[str]], counts: Sequence[int], pairs: Counter[tuple[str, str]],
    where: Mapping[tuple[str, str], set[int]],
) -> set[tuple[str, str]]:  # fmt: skip
    """Merge a pair in every word that holds it; return the pairs whose counts are others now."""
    changed: set[tuple[str, str]] = set()
    for at in list(where[pair]):
        before, count = pieces[at], counts[at]
        after: list[str] = []
        for token in before:
            # From the left: `aaa` is `aa a`, for what was just made is longer than a half.
            if after and (after[-1], token) == pair:
                after[-1] = pair[0] + pair[1]
            else:
                after.append(token)
        for old in pairwise(before):
            pairs[old] -= count
            where[old].discard(at)
            changed.add(old)
        pieces[at] = after
        for new in pairwise(after):
            pairs[new] += count
            where[new].add(at)
            changed.add(new)
    changed.discard(pair)
    pairs[pair] = 0
    return changed


def grown_vocabulary(tokenizer: Any, texts: Iterable[str], size: int, *, ascii_too: bool = False) -> tuple[Any, Grown]:
    """Return a tokenizer with more tokens, learned from texts, and how it cuts the texts that it did not learn from.

    Args:
        tokenizer: a fast one of byte-pair encoding; it stays as it is.
        texts: documents; every 20th is held out.
        size: new tokens, at most.
        ascii_too: also of pieces of plain ASCII, for a language in Latin letters: English is cut otherwise then.

    Raises:
        UsageError: the tokenizer is of another kind, or there are no texts.
    """
    backend = _backend(tokenizer)
    words: Counter[str] = Counter()
    held: list[str] = []
    documents = 0
    for number, text in enumerate(texts):
        if number % HELD_OUT == HELD_OUT - 1:
            held.append(text)
            continue
        documents += 1
        words.update(_pieces(backend, text))
    if not words:
        raise UsageError("vocab: the corpus has no text")
    cut: Counter[tuple[str, ...]] = Counter()
    for word, count in words.items():
        tokens = tuple(token.value for token in backend.model.tokenize(word))
        if len(tokens) > 1 and (ascii_too or not _is_plain(word)):
            cut[tokens] += count
    made = _with_merges(tokenizer, continued(cut, size, lambda token: ascii_too or not _is_plain(token)))
    return made, _measured(tokenizer, made, held, documents)


def _is_plain(token: str) -> bool:
    """Whether a token is plain ASCII, of which byte-level vocabularies write the white space as other letters."""
    return token.translate(_SPACES).isascii()


def _backend(tokenizer: Any) -> Any:
    """Return the tokenizer of a fast one; raises UsageError where it cannot be grown."""
    if not tokenizer.is_fast:
        raise UsageError("vocab: the tokenizer needs a tokenizer.json (a fast tokenizer)")
    backend = tokenizer.backend_tokenizer
    if type(backend.model).__name__ != "BPE" or backend.pre_tokenizer is None:
        kind = type(backend.model).__name__
        raise UsageError(f"vocab: only tokenizers of byte-pair encoding that cut text into words first can grow, not {kind}")
    return backend


def _pieces(backend: Any, text: str) -> list[str]:
    """Return the pieces of a text inside which tokens lie, in the letters of the vocabulary."""
    if backend.normalizer is not None:
        text = backend.normalizer.normalize_str(text)
    return [piece for piece, _ in backend.pre_tokenizer.pre_tokenize_str(text)]


def _with_merges(tokenizer: Any, merges: Sequence[tuple[str, str]]) -> Any:
    """Return a tokenizer with merges behind its own, and the tokens that they make behind its last id."""
    from tokenizers import Tokenizer

    held = json.loads(tokenizer.backend_tokenizer.to_str())
    vocabulary, known = held["model"]["vocab"], held["model"]["merges"]
    following = max(len(tokenizer), max(vocabulary.values()) + 1)
    for left, right in merges:
        known.append([left, right] if known and isinstance(known[0], list) else f"{left} {right}")
        if left + right not in vocabulary:
            vocabulary[left + right] = following
            following += 1
    changed = copy.deepcopy(tokenizer)
    changed._tokenizer = Tokenizer.from_str(dumps(held, ensure_ascii=True))
    return changed


def _measured(before: Any, after: Any, held: Sequence[str], documents: int) -> Grown:
    """Return how texts that were not learned from are cut, by the old and by the new vocabulary."""
    old, new = set(before.get_vocab()), after.get_vocab()
    added = [token for token in new if token not in old]

    def ids(tokenizer: Any, text: str) -> list[int]:
        found: list[int] = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return found

    sizes = [sum(len(ids(tokenizer, text)) for text in held) for tokenizer in (before, after)]
    model = after.backend_tokenizer.model
    unreachable = sum([t.value for t in model.tokenize(token)] != [token] for token in added)
    back = [after.decode(ids(after, text), clean_up_tokenization_spaces=False) for text in held]
    plain = {word for text in held for word in text.split() if word.isascii()}
    changed = sum(ids(before, word) != ids(after, word) for word in plain)
    return Grown(
        tokens=len(added), documents=documents, measured=len(held), characters=sum(map(len, held)), before=sizes[0],
        after=sizes[1], unreachable=unreachable, not_round=sum(a != b for a, b in zip(held, back, strict=True)),
        changed_ascii=changed,
    )  # fmt: skip


def grow_embeddings(model: Any, before: Any, after: Any, how: Literal["mean", "random"], seed: int) -> None:
    """Give a model the rows of new tokens, in its input and output embeddings; tied ones stay tied.

    Args:
        model: of transformers; changed in place.
        before: its tokenizer.
        after: the same, grown.
        how: mean: of the rows of the tokens that the text of a new one was before; random: normal, as spread as the old rows.
        seed: of the random ones.

    Raises:
        ModelError: the model has fewer rows than its tokenizer has tokens.
    """
    import torch

    rows = model.get_input_embeddings().weight.shape[0]
    if rows < len(before):
        raise ModelError(f"the model has {rows} rows of embeddings, fewer than its tokenizer has tokens ({len(before)})")
    old = set(before.get_vocab())
    new = {token: at for token, at in after.get_vocab().items() if token not in old}
    if max(new.values(), default=0) >= rows:
        model.resize_token_embeddings(max(new.values()) + 1, mean_resizing=False)
    layers = [model.get_input_embeddings(), model.get_output_embeddings()]
    weights = list({id(layer.weight): layer.weight for layer in layers if layer is not None}.values())
    generator = torch.Generator().manual_seed(seed)
    tokenizer = before.backend_tokenizer.model
    with torch.no_grad():
        for weight in weights:
            known = weight[: len(before)].float()
            if how == "random":
                drawn = torch.randn(len(new), weight.shape[1], generator=generator) * known.std(0).cpu() + known.mean(0).cpu()
                weight[list(new.values())] = drawn.to(weight)
                continue
            for token, at in new.items():
                weight[at] = known[[t.id for t in tokenizer.tokenize(token)]].mean(0).to(weight.dtype)


def _texts(corpus: Sequence[str], unread: Counter[str]) -> Iterator[str]:
    """Yield the texts of documents; count why others have none."""
    for path in corpus:
        for document in documents(path):
            if document.problem:
                unread[document.problem] += 1
            else:
                yield document.text


def grow(
    corpus: Sequence[str], out: str | Path, *, model: str = "smollm2", size: int = 10_000,
    init: Literal["mean", "random"] = "mean", ascii_too: bool = False, seed: int = 17,
) -> Grown:  # fmt: skip
    """Write a model whose vocabulary was grown on a corpus into a folder, with vocabulary.json, and return what was found.

    Args:
        corpus: files or folders of documents.
        out: a new folder.
        model: `smollm2`, a folder or a Hub id.
        size: new tokens, at most.
        init: of new rows: the mean of the tokens that a text was cut into before, or random.
        ascii_too: also of pieces of plain ASCII.
        seed: of random rows.

    Raises:
        UsageError: the folder is not new, or the tokenizer is of another kind.
        DataError: the corpus cannot be read, or makes no new token.
        ModelError: the model cannot be had.
    """
    place = Path(out).absolute()
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise UsageError(f"vocab: {out} is there already; give a new folder")
    for path in corpus:
        files_of(path)  # before the model is loaded
    with shown("vocab", None, "documents") as bar:
        network, before = load(model, "cpu", "float32")
        unread: Counter[str] = Counter()
        texts = counted(_texts(corpus, unread), bar.at)
        after, found = grown_vocabulary(before, texts, size, ascii_too=ascii_too)
        found = replace(found, unread=dict(unread))
        if not found.tokens:
            plain = "" if ascii_too else "; --ascii also learns from pieces of plain ASCII, for a language in Latin letters"
            raise DataError(f"vocab: nothing of this corpus makes a new token: no pair of tokens occurs twice{plain}")
        grow_embeddings(network, before, after, init, seed)
        fresh = place.with_name(f".{place.name}-new")
        folders.remove(fresh)
        fresh.mkdir(parents=True)
        write_origin(fresh, origin_of(model, resolve(model)[1]))
        facts = {**vars(found), "init": init, "size": size, "corpus": [Path(path).name for path in corpus]}
        with quiet():
            network.save_pretrained(fresh)
            after.save_pretrained(fresh)
        (fresh / "vocabulary.json").write_text(dumps(facts, indent=1, ensure_ascii=True) + "\n", encoding="utf-8")
        folders.replace(fresh, place)
    return found
