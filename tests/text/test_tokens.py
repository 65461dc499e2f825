"""The one tokeniser: what is a token in which script, and which tokens are facts."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from datagen.text import tokens as text
from datagen.text.tokens import facts, rouge_score_tokens, tokenizer, tokens

ASCII = st.text(st.characters(max_codepoint=127))
MIXED = st.text(
    st.one_of(
        st.characters(max_codepoint=127),
        st.sampled_from("ßΣςİΐé\u0301\u0308ที่นี้ไทย你好カナがສະບາຍសួស្តីမင်္ဂလာ한국어١٢٣’-−³½€😀👩\u200d👧\u200b\u00ad\ufeff？。"),
        st.characters(exclude_categories=["Cs"]),
    )
)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("It's what they'd've said; don't.", ["it's", "what", "they'd've", "said", "don't"]),
        ("don’t", ["don't"]),
        ("'quoted' rock 'n' roll", ["quoted", "rock", "n", "roll"]),
        ("snake_case x2 2nd", ["snake_case", "x2", "2nd"]),
        ("well-known", ["well", "known"]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_words_are_folded_and_prose_punctuation_goes(said: str, expected: list[str]) -> None:
    assert tokens(said) == expected


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("3+5", ["3", "+", "5"]),
        ("7-9", ["7", "-", "9"]),
        ("7 − 9", ["7", "−", "9"]),
        ("f(x) = -x", ["f", "x", "=", "x"]),
        ("-5", ["-", "5"]),
        ("a && b || !c", ["a", "&", "&", "b", "|", "|", "c"]),
        ("3.14 and 1,000.50.", ["3.14", "and", "1,000.50"]),
        ("v1.2.3, 5.", ["v1", "2.3", "5"]),
        ("50% of $20 #1 a@b C:\\x", ["50", "%", "of", "$", "20", "#", "1", "a", "@", "b", "c", "\\", "x"]),
        ("x² ½ €5", ["x²", "½", "€", "5"]),
    ],
)
def test_digits_and_operators_stay(said: str, expected: list[str]) -> None:
    assert tokens(said) == expected


@pytest.mark.parametrize(
    ("script", "said", "expected"),
    [
        ("Han", "北京，是首都。", ["北", "京", "是", "首", "都"]),
        ("Han and Latin", "用Python写3个", ["用", "python", "写", "3", "个"]),
        ("kana", "カタカナ と がぎ", ["カ", "タ", "カ", "ナ", "と", "が", "ぎ"]),
        ("Thai", "ที่นี้ น้ำ", ["ที่", "นี้", "น้ำ"]),
        ("Lao", "ດີ ນ້ຳ", ["ດີ", "ນ້ຳ"]),
        ("Khmer", "សួស្តី", ["សួ", "ស្តី"]),
        ("Burmese", "မြန်မာ", ["မြ", "န်", "မ", "ာ"]),
        ("Hangul is spaced", "한국어 문장", ["한국어", "문장"]),
        ("Arabic digits", "العدد ١٢", ["العدد", "١٢"]),
    ],
)
def test_unspaced_scripts_give_one_token_per_grapheme(script: str, said: str, expected: list[str]) -> None:
    assert tokens(said) == [unicodedata.normalize("NFC", e) for e in expected]


def test_a_vowel_sign_makes_another_word_in_hindi() -> None:
    assert tokens("कि की कु") == ["कि", "की", "कु"]


def test_a_tone_mark_makes_another_token() -> None:
    assert tokens("ที่นี้") == ["ที่", "นี้"]
    assert tokens("ที่นี่") == ["ที่", "นี่"]


@pytest.mark.parametrize("said", ["é", "Ǆ", "ガギグ", "한국어", "น้ำ", "ΐ", "ﬁne", "Å", "ộ"])
def test_composed_and_decomposed_text_are_the_same(said: str) -> None:
    assert tokens(unicodedata.normalize("NFD", said)) == tokens(unicodedata.normalize("NFC", said))


@given(MIXED)
@settings(deadline=None)
def test_composed_and_decomposed_text_are_the_same_for_any_text(said: str) -> None:
    assert tokens(unicodedata.normalize("NFD", said)) == tokens(unicodedata.normalize("NFC", said))


@pytest.mark.parametrize(
    ("one", "others"),
    [
        ("น้ำตาล", ["น\u0e49\u0e4d\u0e32ตาล", "น\u0e4d\u0e49\u0e32ตาล", "น\u0e33\u0e49ตาล"]),
        ("คำ", ["ค\u0e4d\u0e32"]),
        ("แม่และแกะ", ["เเม่เเละเเกะ"]),
        ("ที่นี่", ["ท\u0e48\u0e35น\u0e48\u0e35"]),
        ("สิทธิ์", ["สิทธ\u0e4c\u0e34"]),
        ("บ้าน", ["บ\u0e32\u0e49น", "บ\u0e49\u0e45น"]),
        ("รู้", ["ร\u0e49\u0e39"]),
        ("ນ້ຳ", ["ນ\u0ec9\u0ecd\u0eb2", "ນ\u0ecd\u0ec9\u0eb2", "ນ\u0eb3\u0ec9"]),
        ("ແມ່ແລະ", ["ເເມ່ເເລະ"]),
        ("ທີ່", ["ທ\u0ec8\u0eb5"]),
        ("ກໍ່", ["ກ\u0ec8\u0ecd"]),
        ("ໜ້າໝາ", ["ຫນ້າຫມາ"]),
    ],
)
def test_thai_and_lao_that_look_the_same_are_the_same(one: str, others: list[str]) -> None:
    for other in others:
        assert other != one
        assert tokens(other) == tokens(one)
        assert tokens(unicodedata.normalize("NFKC", one)) == tokens(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [("ฤๅษี", "ฤาษี"), ("คำ", "คา"), ("น้ำ", "นำ"), ("แก", "เก"), ("ไม่", "ไม้"), ("ນຳ", "ນາ"), ("ແກ", "ເກ"), ("นํ", "น")],
)
def test_thai_and_lao_that_look_otherwise_are_not(one: str, other: str) -> None:
    assert tokens(one) != tokens(other)


def test_case_is_folded_beyond_ascii() -> None:
    assert tokens("STRASSE") == tokens("straße") == ["strasse"]
    assert tokens("ΣΊΣΥΦΟΣ") == tokens("σίσυφος") == ["σίσυφοσ"]
    assert tokens("İstanbul") == ["i̇stanbul"]
    assert tokens("ISTANBUL") == ["istanbul"]
    assert tokens("ΐ") == tokens("ΐ".casefold())


def test_an_emoji_with_its_joiners_is_one_token() -> None:
    assert tokens("👩‍👩‍👧 👍🏽") == ["👩‍👩‍👧", "👍🏽"]
    assert tokens("👩‍👩‍👧") != tokens("👩‍👩‍👦")


@pytest.mark.parametrize("hidden", ["\u00ad", "\u200b", "\u2060", "\ufeff"])
def test_invisible_characters_are_no_part_of_a_word(hidden: str) -> None:
    assert tokens(f"co{hidden}operate") == ["cooperate"]
    assert tokens(hidden) == []


def test_text_of_punctuation_only_is_its_characters() -> None:
    assert tokens("???") == ["?", "?", "?"]
    assert tokens("？ ！") == ["？", "！"]
    assert tokens("... --") == [".", ".", ".", "-", "-"]
    assert tokens("what???") == ["what"]


@given(MIXED)
@settings(deadline=None)
def test_visible_text_is_never_empty(said: str) -> None:
    visible = [c for c in said if not c.isspace() and c not in "\u00ad\u200b\u2060\ufeff"]
    assert bool(tokens(said)) == bool(visible)


@given(st.one_of(ASCII, st.text(st.sampled_from("aZ09.,'_- \t\x1c\x1f\n+(*"))))
@settings(max_examples=500, deadline=None)
def test_the_ascii_pattern_equals_the_general_pattern(said: str) -> None:
    folded = said.lower()
    assert text._ASCII_TOKEN.findall(folded) == text._TOKEN.findall(folded)


def test_the_ascii_pattern_equals_the_general_pattern_around_every_character() -> None:
    for c in map(chr, range(128)):
        for said in (c, f"a{c}b", f"3{c}4", f"-{c}1", f"a{c}-{c}1", f"'{c}'"):
            assert text._ASCII_TOKEN.findall(said.lower()) == text._TOKEN.findall(said.lower()), repr(said)


@given(ASCII)
@settings(deadline=None)
def test_a_word_beyond_ascii_changes_no_other_token(said: str) -> None:
    assume(text._ASCII_TOKEN.search(said.lower()))
    assert tokens(f"{said} né") == [*tokens(said), "né"]


@given(st.one_of(ASCII, MIXED))
@settings(deadline=None)
def test_rouge_score_tokens_are_those_of_rouge_score(said: str) -> None:
    from rouge_score.tokenizers import DefaultTokenizer

    assert rouge_score_tokens(said) == DefaultTokenizer(use_stemmer=False).tokenize(said)


def test_a_tokenizer_is_found_by_its_name() -> None:
    assert tokenizer("graphemes") is tokens
    assert tokenizer("rouge_score") is rouge_score_tokens
    assert rouge_score_tokens("北京 ABC") == ["abc"]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("the answer is forty two", ""),
        ("Paris in 1999, 3.5 km", "1999 3.5"),
        ("call my_function with x1", "my_function x1"),
        ("3 + 5 = 8", "3 + 5 = 8"),
        ("it is -5 degrees", "- 5"),
        ("a b C++ c#", "+ + #"),
        ("北京有3个 Python 项目", "3 python"),
        ("กรุงเทพ iPhone ๕", "iphone ๕"),
        ("Paris means 巴黎", "paris means"),
        ("😀 ok", "😀"),
    ],
)
def test_facts_are_numbers_operators_and_names_in_unspaced_text(said: str, expected: str) -> None:
    assert facts(tokens(said)) == expected


def test_a_changed_sign_operator_or_identifier_changes_the_facts() -> None:
    for one, other in (("-5 degrees", "5 degrees"), ("3+5", "3-5"), ("3*5", "3/5"), ("a < b", "a > b"), ("x_1", "x_2")):
        assert facts(tokens(one)) != facts(tokens(other))
