"""Tags from the words alone: what each sentence asks for, and topics that hold together."""

from __future__ import annotations

import pytest

from datagen.tags.words import intents, terms, topics


@pytest.mark.parametrize(
    ("text", "language", "asked"),
    [
        ("Write a short poem about the sea.", "en", ["write poem"]),
        ("Read the text. Summarize the article in two lines! Then translate the summary.", "en",
         ["read text", "summarize article", "translate summary"]),
        ("Rewrite the sentence. Rewrite the sentences again.", "en", ["rewrite sentence"]),
        ("请写一首关于大海的诗。", "zh", ["写诗"]),
        ("Write a poem", "fr", []),
        ("", "en", []),
        ("???", "en", []),
    ],
)  # fmt: skip
def test_the_intents_of_a_task(text: str, language: str, asked: list[str]) -> None:
    assert intents(text, language) == asked


def test_thai_intents_have_verb_and_noun() -> None:
    assert intents("ช่วยเขียนบทความเกี่ยวกับข้าว", "th") == ["เขียนบทความ"]


def test_terms_are_nouns_of_english_and_words_elsewhere() -> None:
    assert terms("The population of India eats three recipes.", "en") == ["population", "india", "recipe"]
    assert "丝绸之路" in terms("请介绍丝绸之路的历史", "zh")
    assert "ประวัติศาสตร์" in terms("ช่วยเขียนบทความเรื่องประวัติศาสตร์", "th")


FOOD = ["soup recipe onion pot", "bread recipe oven flour", "soup onion broth pot", "bread flour oven yeast"]
STARS = ["planet orbit sun moon", "galaxy star telescope sun", "planet moon orbit crater", "star galaxy telescope lens"]


def test_topics_keep_what_belongs_together_apart_from_the_rest() -> None:
    rows = [text.split() for text in (FOOD + STARS) * 5]
    found = topics(rows, ["en"] * len(rows), 4, 17)
    food, stars = {found[i] for i in range(40) if i % 8 < 4}, {found[i] for i in range(40) if i % 8 >= 4}
    assert len(food) == len(stars) == 2 and not food & stars
    assert all(set(str(name).removeprefix("topic: ").split(", ")) <= set(" ".join(FOOD).split()) for name in food)
    assert found == topics(rows, ["en"] * len(rows), 4, 17)


def test_few_rows_of_a_language_have_no_topic_and_languages_are_kept_apart() -> None:
    rows = [text.split() for text in (FOOD + STARS) * 5] + [["单词", "汤"]] * 5
    found = topics(rows, ["en"] * 40 + ["zh"] * 5, 2, 17)
    assert found[40:] == [None] * 5 and None not in found[:40]
    assert topics(rows, ["en"] * 40 + ["zh"] * 5, 0, 17) == [None] * 45
    assert topics([[]] * 30, ["en"] * 30, None, 17) == [None] * 30
    assert topics([], [], None, 17) == []
