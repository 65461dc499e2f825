"""BLEU and chrF are sacrebleu's over all items, ROUGE-L is rouge_score's over tokens of every script, with intervals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from capable_endpoint import ModelServer
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from datagen.evaluation import overlap, results
from datagen.evaluation.measured import Measured

ENGLISH = [("the cat sat on the mat", "the cat is on the mat"), ("a red fox ran", "a red fox ran away"), ("no", "yes indeed")]
CHINESE = [("我喜欢吃苹果和梨", "我很喜欢吃苹果"), ("今天下雨了", "今天下大雨了")]
THAI = [("ฉันกินข้าวแล้ว", "ฉันกินข้าวเช้าแล้ว"), ("วันนี้ฝนตก", "วันนี้ฝนตกหนัก")]


@pytest.mark.parametrize(
    ("pairs", "language", "words"),
    [(ENGLISH, "en", "13a"), (CHINESE, "zh", "zh"), (THAI, "th", "char")],
    ids=["en", "zh", "th"],
)
def test_the_scores_of_all_items_are_those_of_sacrebleu(pairs: list[tuple[str, str]], language: str, words: str) -> None:
    found: list[Measured] = []
    for at, (said, reference) in enumerate(pairs):
        for name, (value, counts) in overlap.measured(said, reference, language).items():
            found.append(Measured(f"{at:032x}", "task", "", name, value, 1.0, said, reference, counts))
    numbers = {n["measure"]: n for n in results.told({"a": found}, 1)["numbers"]}
    said, references = [one for one, _ in pairs], [[one for _, one in pairs]]
    for name, metric in (("bleu", BLEU(tokenize=words)), ("chrf", CHRF())):
        assert numbers[name]["value"] == pytest.approx(metric.corpus_score(said, references).score, abs=1e-5)
        assert numbers[name]["low"] <= numbers[name]["value"] <= numbers[name]["high"]
    assert numbers["rouge_l"]["value"] > 0.3
    if language == "en":
        scores = [RougeScorer(["rougeL"]).score(one, other)["rougeL"].fmeasure for other, one in pairs]
        assert numbers["rouge_l"]["value"] == pytest.approx(sum(scores) / 3, abs=1e-6)


def test_a_model_that_says_the_reference_is_better_than_one_that_says_half_of_it(
    evaluated: Callable[..., Any], write_jsonl: Callable[..., Path], value: Callable[..., Any]
) -> None:
    rows = [
        {"instruction": f"Tell {n}.", "output": f"Day {n} was long and it rained at noon, then the sun came out. " * 2}
        for n in range(10)
    ]
    write_jsonl("rows.jsonl", *rows)
    whole = {row["instruction"]: row["output"].strip() for row in rows}

    class Two(ModelServer):
        def choice(self, body: dict[str, Any], prompt: str, *rest: Any) -> Any:
            self.says = lambda p: whole[p] if body["model"] == "good" else whole[p][: len(whole[p]) // 2]
            return super().choice(body, prompt, *rest)

    with Two(models=("half", "good")) as server:
        words = ("half", "good", "rows.jsonl", "--measures", "overlap", "--base-url", server.base_url, "--concurrency", "1")
        found = evaluated(*words, "--max-output-tokens", "400")
    assert value(found, "bleu", model="good")["value"] == value(found, "chrf", model="good")["value"] == 100.0
    better = {one["measure"]: one["better"] for one in found["evaluation"]["differences"]}
    assert [better[name] for name in ("bleu", "chrf", "rouge_l")] == [True, True, True]
