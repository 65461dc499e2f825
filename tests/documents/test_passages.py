"""Documents to passages: what is kept, what is left out and why, and spans that cover everything."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.documents.document import Document
from datagen.documents.markup import markdown_of
from datagen.documents.passages import Passage, passages

LONG = "The garden needs water every morning, because the sun dries the soil before noon. " * 4


def cut(text: str, markup: str = "text", least: int = 10, most: int = 100, **more: str) -> list[Passage]:
    return list(passages(Document("d", text, markup, **more), least, most))  # type: ignore[arg-type]


def kept(found: list[Passage]) -> list[str]:
    return [p.text for p in found if p.reason is None]


def test_a_short_document_is_one_passage_with_the_span_of_all_of_it() -> None:
    text = LONG.strip()
    assert cut(text) == [Passage(text, (0, len(text)))]


@pytest.mark.parametrize(
    "sentence", ["Number {} of the sentences.  ", "Sentence {} has a [link](http://a.b/c) in it. ", "第{}句话说花园需要水。"]
)
def test_spans_of_a_paragraph_that_was_cut_are_exact(sentence: str) -> None:
    text = "".join(sentence.format(i) for i in range(60)).strip()
    found = cut(text, "markdown", most=90)
    assert len(found) > 2
    for one in found:
        raw = text[slice(*one.span)]
        assert " ".join(raw.replace("[", "").replace("](http://a.b/c)", "").split()) == one.text


def test_a_word_that_touches_markup_moves_no_span() -> None:
    more = " ".join(f"Sentence number {i} has some words in it about the Database system that we use." for i in range(12))
    text = f"The [Data](http://x.com/a)base holds rows and is good to be there. {more}"
    found = cut(text, "markdown", least=5, most=40)
    assert len(found) > 4 and found[0].text.startswith("The Database holds")
    assert all(text[slice(*p.span)] == p.text for p in found[1:])
    assert text[slice(*found[0].span)].replace("[Data](http://x.com/a)", "Data") == found[0].text


def test_what_a_page_or_a_plain_text_shows_is_no_markup() -> None:
    plain = f"Call handlers[name](args) in table[0](x) <!-- not hidden --> always. {LONG}".strip()
    assert kept(cut(plain)) == [plain]
    html = f"<p>Write [text](url) here, and a comment is &lt;!-- so --&gt; written. {LONG}</p>"
    assert kept(cut(html, "html")) == [f"Write [text](url) here, and a comment is <!-- so --> written. {LONG}".strip()]


def test_wrapped_lines_are_one_paragraph_again() -> None:
    said = "It was the {} age of wisdom, and it was the epoch of belief in many small and large things. "
    first, second = said.format("first") * 3, said.format("second") * 3
    text = "\n\n".join(textwrap.fill(one, 72) for one in (first, second))
    assert kept(cut(text)) == [first.strip(), second.strip()]


@pytest.mark.timeout(60)  # the square of their length would take longer
def test_headings_and_many_notices_come_to_an_end() -> None:
    cut(f"# a{' ' * 200_000}x\n{LONG}", "markdown")
    cut(f"{LONG}\n---\nHome | Shop | About us\n" * 3000, "markdown")
    assert [p.headings for p in cut(f"# C#\n\n{LONG}\n\n# D ##\n\n{LONG}", "markdown")] == [("C#",), ("D",)]


def test_sections_are_passages_and_headings_go_with_them() -> None:
    found = cut(f"# Garden\n\n{LONG}\n\n## Winter\n\n{LONG}\n", "markdown")
    assert [(p.reason, p.headings) for p in found] == [(None, ("Garden",)), (None, ("Garden", "Winter"))]
    assert not any("#" in p.text for p in found)


def test_navigation_and_notices_are_left_out_with_the_reason() -> None:
    text = f"Home | Shop | About us | Contact\n{LONG}\n© 2019 Garden Ltd. All rights reserved.\nHome\nProducts\nNews\nJobs\n"
    found = cut(text)
    assert kept(found) == [LONG.strip()]
    # What stands side by side is one loss.
    assert [p.text for p in found if p.reason == "boilerplate"] == [
        "Home | Shop | About us | Contact", "© 2019 Garden Ltd. All rights reserved.\nHome\nProducts\nNews\nJobs",
    ]  # fmt: skip
    assert {p.reason for p in found} == {None, "boilerplate"}


def test_a_passage_that_would_begin_with_a_reference_back_takes_what_it_leans_on_along() -> None:
    first, second = (f"Word {i} says what the garden needs, and when the water comes to it. " * 3 for i in "12")
    third = "However, it is not always so: where the soil is heavy the water stays for days, and roots rot in it. " * 2
    found = kept(cut(f"{first}\n{second}\n{third}", most=100))
    assert [p.split()[1] for p in found] == ["1", "2"] and found[1].endswith(third.strip())
    # Where the passage before would be too short without it, it stays there.
    assert len(kept(cut(f"{second}\n{third}", least=30, most=60))) == 2


def test_a_line_that_names_a_value_is_no_menu() -> None:
    text = "ชื่อวิทยาศาสตร์ : Cymbopogon citratus\nวงศ์ : Gramineae\nถิ่นกำเนิด : อินเดีย\n" + "ตะไคร้เป็นพืชล้มลุก ใบเรียวยาวและมีกลิ่นหอม " * 5
    assert "Gramineae" in "".join(kept(cut(text)))


def test_html_is_read_without_scripts_menus_and_forms() -> None:
    html = f"""<html><head><title>My garden</title><script>x = 1</script></head><body>
    <nav><a href="/">Home</a><a href="/shop">Shop</a></nav>
    <main><h1>Water</h1><p>{LONG}</p><ul><li>In the <b>morning</b></li><li>At night</li></ul><pre>a  b
  c</pre></main><footer>Imprint</footer></body></html>"""
    text, title, beside = markdown_of(html)
    assert title == "My garden"
    assert text == f"# Water\n\n{LONG.strip()}\n\n- In the morning\n- At night\n\n```\na  b\n  c\n```"
    assert beside == "Home Shop\nImprint"
    menu, one = cut(html, "html")
    assert (menu.reason, menu.text) == ("boilerplate", beside)
    assert one.headings == ("My garden", "Water") and "Imprint" not in one.text and "- At night" in one.text


def test_what_is_beside_an_article_is_not_lost_and_its_header_is_its_title() -> None:
    html = f"""<body><form><header>Shop<nav>Menu</nav></header><article><header><h1>Water</h1><nav>Share</nav></header>
    <p>{LONG}</p></article><section>Read also: tea.</section></form></body>"""
    text, _, beside = markdown_of(html)
    assert text == f"# Water\n\n{LONG.strip()}" and beside == "Shop Menu\nShare\nRead also: tea."


@pytest.mark.parametrize(
    "line", ["**Bold** it begins and goes on.", "3.5 percent of all.", "-5 degrees it was.", "*So* it is."]
)
def test_emphasis_decimals_and_minus_are_no_lists(line: str) -> None:
    from datagen.documents.blocks import blocks

    assert [b.kind for b in blocks(Document("d", line, "markdown"))] == ["paragraph"]


def test_html_nested_deeper_than_calls_go_is_read() -> None:
    table = "<table><tr><th>Lake</th><th>Depth</th></tr><tr><td>Upper</td><td>9 m</td></tr></table>"
    assert markdown_of(table)[0] == "| Lake | Depth |\n| Upper | 9 m |"
    assert markdown_of("<div>" * 3000 + "deep" + "</div>" * 3000)[0] == "deep"


def test_markdown_keeps_code_and_lists_and_drops_images_and_targets() -> None:
    found = cut(
        f"---\ntitle: x\n---\n![logo](a.png)\n\nSee [the guide](http://x.y/z) first. {LONG}\n\n```\n# no heading\n```\n",
        "markdown",
    )
    [text] = kept(found)
    assert "See the guide first." in text and "```\n# no heading\n```" in text and "png" not in text and "title: x" not in text


def test_a_paragraph_that_is_too_long_is_cut_between_sentences() -> None:
    text = " ".join(f"This is sentence number {i} of a long paragraph about gardens." for i in range(40))
    found = cut(text, most=60)
    assert len(found) > 5 and all(p.text.endswith(".") for p in found)
    assert " ".join(p.text for p in found) == text


def test_thai_and_chinese_are_measured_by_characters_and_cut_at_their_own_sentences() -> None:
    zh = "花园每天早上都需要浇水，因为太阳在中午之前会把土壤晒干。" * 20
    found = cut(zh, least=20, most=60)
    assert len(found) > 3 and all(p.reason is None and p.text.endswith("。") for p in found)
    th = "สวนต้องการน้ำทุกเช้า เพราะแดดทำให้ดินแห้งก่อนเที่ยง " * 30
    assert len([p for p in cut(th, least=20, most=120) if p.reason is None]) > 3


def test_what_leans_on_the_paragraph_before_stays_with_it() -> None:
    first = "Lemon grass grows in warm countries and is cut by hand twice a year by the people there. "
    text = f"{first * 2}\nHowever, it does not like frost, and it dies in cold winters without a cover of straw.\n"
    assert len(kept(cut(text, most=60))) == 1


def test_what_cannot_be_cut_is_too_long_and_says_so() -> None:
    found = cut("```\n" + "word " * 500 + "\n```\n", "markdown")
    assert [p.reason for p in found] == ["too_long"]


def test_short_rests_broken_and_empty_documents_are_named() -> None:
    assert [p.reason for p in cut("Too short.")] == ["too_short"]
    assert [p.reason for p in cut("  \n ")] == ["empty_document"]
    [broken] = passages(Document("d", "raw", problem="bytes that are not UTF-8"), 10, 100)
    assert broken.reason == "unreadable"


@given(st.text(alphabet="ab .\n#|-*`>ก。好[]()!", max_size=300), st.sampled_from(["text", "markdown"]))
def test_the_spans_cover_all_that_is_not_blank_and_do_not_overlap(text: str, markup: str) -> None:
    found = cut(text, markup, 3, 12)
    covered: set[int] = set()
    for p in found:
        here = set(range(*p.span))
        assert not covered & here
        covered |= here
    assert all(text[i].isspace() for i in range(len(text)) if i not in covered) or not text.strip()
