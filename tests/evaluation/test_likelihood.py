"""The likeliest choice and the loss of an answer are those of a plain loop over a model's logits, and of a known package."""

from __future__ import annotations

import math
import random
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from datagen.data.rows import new_row
from datagen.evaluation.items import Item, items_of
from datagen.evaluation.likelihood import encoded, likeliest, losses
from datagen.evaluation.prompts import plain
from datagen.kinds.eval import Eval
from datagen.models.answer_loss import AnswerLoss

WORDS = ["river", "stone", "ข้าว", "水", "seven", "to", "the", "list", "of", "words", "ไทย", "答案"]


@pytest.fixture(scope="module")
def questions() -> list[Item]:
    draw = random.Random(4)
    rows = []
    for at in range(24):
        texts = [" ".join(draw.choices(WORDS, k=draw.randint(1, 5))) + f" {at}{c}" for c in "abcd"]
        lines = "\n".join(f"{letter}. {text}" for letter, text in zip("ABCD", texts, strict=True))
        rows.append(new_row(instruction=f"Which of them is it, {at}?\n{lines}", output=draw.choice("ABCD"), source="rows"))
    items, left = items_of(rows, Eval(model="tiny", shots=2))
    assert len(items) == 22 and len(left) == 2
    return items


def summed(network: Any, ids: list[int], start: int) -> float:
    """The loss of tokens from `start` on, one forward pass of its own."""
    with torch.inference_mode():
        odds = network(torch.tensor([ids])).logits[0].log_softmax(-1)
    return -sum(float(odds[at - 1, ids[at]]) for at in range(start, len(ids)))


@pytest.mark.parametrize("by", ["labels", "texts"])
def test_the_likeliest_choice_is_that_of_a_plain_loop(questions: list[Item], tiny_dir: Path, by: Any) -> None:
    network, tokenizer = AutoModelForCausalLM.from_pretrained(tiny_dir), AutoTokenizer.from_pretrained(tiny_dir)
    found, left = likeliest(str(tiny_dir), questions, Eval(model=str(tiny_dir), choices=by), lambda _: None)
    assert left == []
    said = {(one.id, one.measure): one.said for one in found}
    for item in questions:
        assert item.choices is not None
        text, adds = plain(item, by)
        assert text.count("Answer:") == 3 and text.endswith("Answer:")
        sums = [summed(network, *encoded(tokenizer, text, one)) for one in adds]
        per_character = [s / len(one.strip()) for s, one in zip(sums, adds, strict=True)]
        assert said[item.row["id"], "choice"] == item.choices.labels[int(np.argmin(sums))]
        assert said[item.row["id"], "choice_by_length"] == item.choices.labels[int(np.argmin(per_character))]


def test_loss_and_bits_of_an_answer_are_those_of_a_plain_loop(tiny_dir: Path) -> None:
    rows = [new_row(instruction=f"Say {n}.", output=f"{n} น้ำ 水 >", source="rows") for n in ("one", "two", "three")]
    items, _ = items_of([*rows, new_row(instruction="Close it: <", output=">", source="rows")], Eval(model="tiny"))
    found, left = losses(str(tiny_dir), items, Eval(model=str(tiny_dir)), lambda _: None)
    assert left == []
    network, tokenizer = AutoModelForCausalLM.from_pretrained(tiny_dir), AutoTokenizer.from_pretrained(tiny_dir)
    got = {(one.id, one.measure): one for one in found}
    for item in items:
        before = f"<|im_start|>user\n{item.turns[-1]['content']}<|im_end|>\n<|im_start|>assistant\n"
        ids = tokenizer(before + item.reference, add_special_tokens=False)["input_ids"]
        nats = summed(network, ids, start := len(tokenizer(before, add_special_tokens=False)["input_ids"]))
        loss, bits = got[item.row["id"], "loss"], got[item.row["id"], "bits_per_byte"]
        assert (loss.value, loss.size) == (pytest.approx(nats, rel=1e-5), len(ids) - start)
        assert (bits.value, bits.size) == (pytest.approx(nats / math.log(2), rel=1e-5), len(item.reference.encode()))


def test_an_item_that_is_too_long_is_left_out_with_its_reason(questions: list[Item], tiny_dir: Path) -> None:
    options = Eval(model=str(tiny_dir), max_length=8)
    found, left = likeliest(str(tiny_dir), questions, options, lambda _: None)
    assert found == [] and left == [(item.row["id"], "too_long") for item in questions]


def test_sequences_that_differ_in_their_last_token_are_computed_once(tiny_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scorer = AnswerLoss(str(tiny_dir))
    heads = [[7, 9, 11, 13], [7, 9, 11, 14, 20]]
    sequences = [([*head, last], len(head), len(head) + 1) for last in (30, 31, 32, 33) for head in heads]
    shapes: list[Any] = []
    inner = scorer.network.get_decoder()
    inner.register_forward_pre_hook(lambda _, args, given: shapes.append(tuple(given["input_ids"].shape)), with_kwargs=True)
    found = scorer.losses(sequences)
    assert shapes == [(2, 6)]
    assert found == pytest.approx([summed(scorer.network, ids, start) for ids, start, _ in sequences], rel=1e-5)


TEXTS = ["Question: what?\nAnswer:", "ถาม: อะไร\nตอบ: ", "问：什么\n答：", "ends in spaces   ", "x"]


@pytest.mark.parametrize("begins", [False, True])
def test_texts_are_encoded_and_scored_as_the_evaluation_harness_does(tiny_dir: Path, tmp_path: Path, begins: bool) -> None:
    pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed")
    from lm_eval.models.huggingface import HFLM

    network, tokenizer = AutoModelForCausalLM.from_pretrained(tiny_dir), AutoTokenizer.from_pretrained(tiny_dir)
    if begins:
        from tokenizers.processors import TemplateProcessing

        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<|im_start|> $A", special_tokens=[("<|im_start|>", tokenizer.bos_token_id)]
        )
    theirs = HFLM(pretrained=network, tokenizer=tokenizer, batch_size=4, device="cpu")
    asked = [(text, adds) for text in TEXTS for adds in (" A", " B", " น้ำ ไทย", " 水", "\nno")]
    expected = theirs.loglikelihood([SimpleNamespace(args=one, arguments=one) for one in asked], disable_tqdm=True)
    ours = [encoded(tokenizer, *one) for one in asked]
    scorer = AnswerLoss(str(tiny_dir))
    mean = scorer.losses([(ids, start, len(ids)) for ids, start in ours])
    sums = [-m * (len(ids) - start) for m, (ids, start) in zip(mean, ours, strict=True)]
    assert sums == pytest.approx([float(odds) for odds, _ in expected], abs=1e-4)
