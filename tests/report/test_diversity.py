"""How diverse the kept instructions are beside the seed tasks, and the panel that shows it."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from datagen.report.diversity import TOP, diversity, first_word, panel

SEEDS = ["Write a poem about rain.", "Write a story.", "What is the capital of Peru?"]
KEPT = ["Write a poem about snow.", "Draw two maps.", "Please draw a map.", "Explain why the sky is blue.", "Fact or opinion?"]


class Text(HTMLParser):
    """The tags of a piece of HTML, which must all close, and its text."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(str(source))  # plain: Markup would escape what is added to it
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_what_is_new_is_counted_against_the_seed_tasks() -> None:
    d = diversity(SEEDS, KEPT, "en")
    assert d["seeds"] == {"texts": 3, "with_verb": 3, "with_noun": 3, "verbs": 2, "nouns": 3, "pairs": 3, "first_words": 2}
    assert d["kept"] == {"texts": 5, "with_verb": 4, "with_noun": 3, "verbs": 3, "nouns": 2, "pairs": 2, "first_words": 5}
    assert d["new"]["verbs"] == {"distinct": 2, "top": [("draw", 2), ("explain", 1)], "rest": 0}
    assert d["new"]["nouns"] == {"distinct": 1, "top": [("map", 2)], "rest": 0}
    assert d["new"]["pairs"] == {"distinct": 1, "top": [("draw map", 2)], "rest": 0}
    assert d["unseen"] == {"rows": 2, "of": 3, "share": 2 / 3}
    assert d["unread"] == ""


def test_the_panel_shows_the_counts() -> None:
    shown = Text(panel(diversity(SEEDS, KEPT, "en")))
    text = " ".join(shown.text.split())
    assert "in 3 seed tasks and 5 kept rows. Of 3 kept rows with both, 2 (66.7 %) have a pair that no seed task has." in text
    assert "distinct verb–noun pairs 3 2 1" in " ".join(re.sub(r"(\d)", r" \1 ", text).split())
    assert "draw map" in text
    assert not {"script", "style", "img", "a"} & set(shown.tags)


def test_only_the_most_frequent_new_words_are_listed_and_the_others_counted() -> None:
    nouns = "poem story letter song play essay recipe speech report review joke"
    nouns += " riddle slogan tweet list email menu plan map quiz rule fable"
    kept = [f"Write a {noun}." for noun in nouns.split()] + ["Write a quiz."]
    d = diversity([], kept, "en")
    assert d["new"]["nouns"]["distinct"] == 22
    assert d["new"]["nouns"]["top"][:2] == [("quiz", 2), ("email", 1)]
    assert (len(d["new"]["nouns"]["top"]), d["new"]["nouns"]["rest"]) == (TOP, 2)
    assert "2 more" in Text(panel(d)).text


def test_rows_are_data_in_the_panel_and_never_markup() -> None:
    hostile = ["Write a <script>alert(1)</script>.", "Write a {{ 7*7 }} b.", "</table> x", "Write <b>bold</b> \u202etext\x00."]
    source = panel(diversity(hostile[:1], [*hostile, "<img src=x onerror=alert(1)>"], "en"))
    shown = Text(source)
    assert not {"script", "b", "img"} & set(shown.tags)
    assert "49" not in source
    assert "\u202e" not in source and "\x00" not in source
    d = diversity([], [], "en")
    d["kept"]["texts"] = 1
    d["new"]["verbs"] = {"distinct": 1, "top": [("<script>alert(1)</script>\u202e", 1)], "rest": 0}
    assert "&lt;script&gt;alert(1)&lt;/script&gt;[U+202E]" in panel(d)


def test_a_template_takes_the_panel_as_markup() -> None:
    from jinja2 import Environment

    page = Environment(autoescape=True).from_string("<main>{{ panel }}</main>")
    assert page.render(panel=panel(diversity(SEEDS, KEPT, "en"))).startswith('<main><section id="diversity">')


def test_no_kept_row_is_said() -> None:
    d = diversity(SEEDS, [], "en")
    assert d["unseen"] == {"rows": 0, "of": 0, "share": None}
    assert "No row was kept." in Text(panel(d)).text


def test_kept_rows_without_a_noun_have_no_share() -> None:
    d = diversity(SEEDS, ["Explain why the sky is blue."], "en")
    assert d["unseen"]["share"] is None
    assert "have a pair" not in panel(d)


@pytest.mark.slow
def test_chinese_and_thai_are_read_too() -> None:
    d = diversity(["写一首诗。"], ["请写一首关于春天的诗。", "把下面的句子翻译成英文"], "zh")
    assert d["new"]["pairs"]["top"] == [("翻译 句子", 1)]
    assert 'lang="zh"' in panel(d)
    d = diversity(["แปลประโยคนี้"], ["แปลประโยคนี้เป็นภาษาอังกฤษ", "เขียนบทกวีสั้น ๆ"], "th")
    assert d["new"]["pairs"]["top"] == [("เขียน บทกวี", 1)]


def test_first_words_need_no_dictionary() -> None:
    assert [first_word(t) for t in ("Write a poem.", '"Buy" it', "写一首诗", "ที่นี่คือ", "École d'été", "Über", "", "写")] == [
        "write", "buy", "写一", "ที่นี่", "école", "über", "", "写",
    ]  # fmt: skip


def test_a_language_without_verbs_is_said_in_one_line_and_first_words_are_counted() -> None:
    d = diversity(["Écris un poème."], ["Traduis la phrase.", "Écris un conte."], "fr")
    assert d["kept"] == {"texts": 2, "with_verb": 0, "with_noun": 0, "verbs": 0, "nouns": 0, "pairs": 0, "first_words": 2}
    assert d["new"]["first_words"]["top"] == [("traduis", 1)]
    assert "No verbs and nouns: verbs are found in en, zh and th, not in 'fr'" in Text(panel(d)).text


def test_a_missing_extra_yields_a_panel_that_says_what_to_install(tmp_path: Path) -> None:
    program = """
import sys
sys.modules["pythainlp"] = None  # as where it is not installed
from datagen.report.diversity import diversity, panel
print(panel(diversity(["แปลประโยคนี้"], ["เขียนบทกวี"], "th")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    shown = Text(done.stdout).text
    assert len([line for line in shown.splitlines() if "pip install 'datagen[th]'" in line]) == 1
    assert "distinct first words" in shown
