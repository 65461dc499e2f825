"""A vocabulary grown for another language: every new token can be reached, and English stays as it was."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datagen.data.rows import new_row
from datagen.errors import UsageError
from datagen.models.causal_lm import load
from datagen.training.loop import TrainOptions, train
from datagen.training.vocabulary import continued, grow, grow_embeddings, grown_vocabulary

Loaded = tuple[Any, Any]
THAI = ["ประเทศไทยเป็นประเทศที่ตั้งอยู่ในเอเชียตะวันออกเฉียงใต้", "กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย และ Bangkok 2024!"] * 20


def by_counting(words: dict[tuple[str, ...], int], size: int) -> list[tuple[str, str]]:
    """Byte-pair encoding as it is defined: every pair is counted anew for each merge."""
    pieces, found = [(list(w), n) for w, n in words.items()], []
    while len(found) < size:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, n in pieces:
            for pair in pairwise(word):
                pairs[pair] += n
        best = min(((-n, pair) for pair, n in pairs.items() if n >= 2), default=None)
        if best is None:
            return found
        found.append(best[1])
        for word, _ in pieces:
            at = 0
            while at < len(word) - 1:
                if (word[at], word[at + 1]) == best[1]:
                    word[at : at + 2] = [word[at] + word[at + 1]]
                at += 1
    return found


@given(st.dictionaries(st.lists(st.sampled_from("abc"), min_size=1, max_size=9).map(tuple), st.integers(1, 5), max_size=12))
def test_merges_are_those_of_counting_everything_anew(words: dict[tuple[str, ...], int]) -> None:
    assert continued(words, 20) == by_counting(words, 20)


def test_new_tokens_can_be_reached_and_old_text_keeps_its_ids(tiny: Loaded) -> None:
    tokenizer = tiny[1]
    grown, found = grown_vocabulary(tokenizer, THAI, 60)
    assert found.tokens == 60 == len(grown) - len(tokenizer) and (found.documents, found.measured) == (38, 2)
    assert found.after < 0.5 * found.before and found.unreachable == found.not_round == found.changed_ascii == 0
    for text in ("What is 2 plus 2?", "def f(x):\n\treturn x", "<|im_start|>user\nHi<|im_end|>"):
        assert grown(text)["input_ids"] == tokenizer(text)["input_ids"]
    again, _ = grown_vocabulary(tokenizer, THAI, 60)
    assert again.get_vocab() == grown.get_vocab() and len(tokenizer.get_vocab()) == len(grown.get_vocab()) - 60
    assert grown.decode(grown(THAI[0])["input_ids"]) == THAI[0]


def test_a_language_in_latin_letters_needs_to_be_asked_for(tiny: Loaded) -> None:
    texts = ["selamat pagi dunia yang indah sekali"] * 40
    assert grown_vocabulary(tiny[1], texts, 20)[1].tokens == 0
    _, found = grown_vocabulary(tiny[1], texts, 20, ascii_too=True)
    assert 0 < found.tokens <= 20 and found.after < found.before


@pytest.mark.parametrize("tied", [True, False])
def test_new_rows_are_the_mean_of_the_old_pieces_and_ties_stay(tied: bool, tiny: Loaded) -> None:
    from tests.training.models import made

    model = made("llama", len(tiny[1]), tie_word_embeddings=tied)
    old = [w.weight.detach().clone() for w in (model.get_input_embeddings(), model.get_output_embeddings())]
    grown, _ = grown_vocabulary(tiny[1], THAI, 30)
    grow_embeddings(model, tiny[1], grown, "mean", 1)
    new = {t: i for t, i in grown.get_vocab().items() if t not in tiny[1].get_vocab()}
    for layer, before in zip((model.get_input_embeddings(), model.get_output_embeddings()), old, strict=True):
        assert torch.equal(layer.weight[: len(before)], before)
        for token, at in new.items():
            pieces = [p.id for p in tiny[1].backend_tokenizer.model.tokenize(token)]
            assert torch.allclose(layer.weight[at], before[pieces].mean(0), atol=1e-6)
    same = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    assert same == tied
    grow_embeddings(model, tiny[1], grown, "random", 1)
    weight = model.get_input_embeddings().weight[list(new.values())]
    assert weight.std().item() == pytest.approx(old[0].std().item(), rel=0.2)


@pytest.mark.slow
def test_a_grown_model_goes_on_learning_plain_text(tiny_dir: Path, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in THAI), "utf-8")
    found = grow([str(corpus)], tmp_path / "grown", model=str(tiny_dir), size=40)
    assert json.loads((tmp_path / "grown" / "vocabulary.json").read_text())["tokens"] == found.tokens == 40
    base = load(str(tmp_path / "grown"), "cpu", "float32")
    rows = [new_row(output=text) for text in THAI[:8]]
    ran = train(rows, TrainOptions(objective="lm", method="full", steps=10, lr=1e-2), None, rows, base=base)
    assert ran.eval_before and ran.eval_after and ran.eval_after["loss"] < ran.eval_before["loss"]
    with pytest.raises(UsageError, match="is there already; give a new folder"):
        grow([str(corpus)], tmp_path / "grown", model=str(tiny_dir))


@pytest.mark.slow
def test_the_command(datagen: Callable[..., Any], tiny_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "thai.txt").write_text("\n\n".join(THAI[:2]), "utf-8")
    (tmp_path / "more.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in THAI), "utf-8")
    done = datagen("vocab", "thai.txt", "more.jsonl", "-o", "grown", "--model", tiny_dir, "--size", "20")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("20 new tokens of 39 documents; on 2 others, ") and "0 cannot be reached" in done.stdout
    told = datagen("vocab", "thai.txt", "-o", "grown", "--model", tiny_dir)
    assert told.returncode == 2 and told.stderr == "datagen: vocab: grown is there already; give a new folder\n"
    trained = datagen(
        "train", "more.jsonl", "--map", "output=text", "-o", "lm", "--objective", "lm", "--model", "grown", "--steps", "2"
    )
    assert trained.returncode == 0, trained.stderr


def test_a_tokenizer_that_cannot_grow_is_one_line() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    unigram = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.Unigram([("a", 0.0), ("b", 0.0)])))
    with pytest.raises(UsageError, match="only tokenizers of byte-pair encoding that cut text into words first can grow"):
        grown_vocabulary(unigram, ["a"], 5)


def test_a_corpus_that_makes_no_new_token_writes_nothing(datagen: Callable[..., Any], tiny_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "plain.txt").write_text("Name a moon of Jupiter.", "utf-8")
    done = datagen("vocab", "plain.txt", "-o", "grown", "--model", tiny_dir)
    assert done.returncode != 0 and "makes a new token" in done.stderr and "--ascii also learns from" in done.stderr
    assert not (tmp_path / "grown").exists()
