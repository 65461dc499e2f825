"""Topics are read in every form, named where they are wrong, and allotted to requests as `quotas` would."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datagen import assets
from datagen.data.quotas import quotas
from datagen.errors import DataError, UsageError
from datagen.generate.generation import Cell, Topics, read, subtopics

SCIENCE = [Cell("science", "astronomy", 2.0), Cell("science", "physics", 1.0)]


def told(tmp_path: Path, name: str, content: str | bytes) -> str:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


# --- reading


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.yaml", "science:\n  astronomy: 2\n  physics:\ncooking: 3\nlaw:\n"),
        ("t.yml", "science: {astronomy: 2, physics: 1.0}\ncooking: 3\nlaw: null\n"),
        ("t.yaml", "- science:\n    - astronomy: 2\n    - physics\n- cooking: 3\n- law\n"),
        ("t.json", '{"science": {"astronomy": 2, "physics": 1},\n\t"cooking": 3, "law": null}'),
        ("T.JSON", '[{"science": {"astronomy": 2, "physics": null}}, {"cooking": 3}, "law"]'),
        ("bom.json", b"\xef\xbb\xbf" + b'{"science": {"astronomy": 2, "physics": 1}, "cooking": 3, "law": null}'),
    ],
)
def test_yaml_and_json_say_the_same(tmp_path: Path, name: str, content: str | bytes) -> None:
    assert read(told(tmp_path, name, content), "en") == [*SCIENCE, Cell("cooking", "", 3.0), Cell("law")]


def test_a_list_of_sub_domains_has_equal_weights_and_names_stay_as_they_are_written(tmp_path: Path) -> None:
    path = told(tmp_path, "t.yaml", "no: [on, 2024, 1e3]\n3:\n  - 'a: b'\n# a comment\n\"C#\":\n- TCP/IP\n")
    names = ["no / on", "no / 2024", "no / 1e3", "3 / a: b", "C# / TCP/IP"]
    assert [(c.name, c.weight) for c in read(path, "en")] == [(name, 1.0) for name in names]


def test_json_keeps_escapes_that_yaml_does_not_know(tmp_path: Path) -> None:
    assert read(told(tmp_path, "t.json", r'["games \ud83d\ude00 \/ cards"]'), "en") == [Cell("games 😀 / cards")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_plain_text_has_one_topic_per_line(tmp_path: Path, end: str) -> None:
    lines = [
        "# my topics", "science / astronomy", "", "science\tphysics", "  cooking  ", "- pets",
        "network / TCP/IP  # of the internet", "C# / LINQ", "科学／天文", "การเมือง / การเลือกตั้ง",
        "law\t", "music /", "a / b / c", "   # the end",
    ]  # fmt: skip
    cells = read(told(tmp_path, "topics.txt", "\ufeff" + end.join(lines)), "en")
    assert [(c.domain, c.subtopic) for c in cells] == [
        ("science", "astronomy"), ("science", "physics"), ("cooking", ""), ("pets", ""), ("network", "TCP/IP"), ("C#", "LINQ"),
        ("科学", "天文"), ("การเมือง", "การเลือกตั้ง"), ("law", ""), ("music", ""), ("a", "b / c"),
    ]  # fmt: skip
    assert {c.weight for c in cells} == {1.0}


def test_names_have_single_spaces_and_composed_letters(tmp_path: Path) -> None:
    assert read(told(tmp_path, "t", "cafe\u0301   culture /\u00a0 tea  rooms"), "en") == [Cell("café culture", "tea rooms")]


@pytest.mark.parametrize("language", ["en", "zh", "th"])
def test_default_is_the_shipped_taxonomy(language: str) -> None:
    cells = read("default", language)
    domains = Counter(c.domain for c in cells)
    assert len(domains) >= 12
    assert min(domains.values()) >= 6
    assert all(c.subtopic and c.weight == 1 for c in cells)
    assert len({c.subtopic for c in cells}) == len(cells)
    assert cells == read(str(assets.topics_file(language)), "en") == read(f"seed_tasks/topics.{language}.yaml", "en")


@pytest.mark.parametrize(("language", "low", "high"), [("zh", "\u4e00", "\u9fff"), ("th", "\u0e01", "\u0e5b")])
def test_default_names_are_in_the_language_but_for_proper_names(language: str, low: str, high: str) -> None:
    cells = read("default", language)
    assert [c.domain for c in cells if not all(low <= x <= high or x == " " for x in c.domain)] == []
    foreign = [c.subtopic for c in cells if not any(low <= x <= high for x in c.subtopic)]
    assert foreign in (["Python"], [])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.txt", "", "t.txt: holds no topic; write one per line"),
        ("t.txt", "# nothing\n\n", "t.txt: holds no topic"),
        ("t.txt", "a\n\xff".encode("latin-1"), "t.txt: line 2: not UTF-8; save the file as UTF-8"),
        ("t.txt", "music".encode("utf-16"), "t.txt: line 1: not UTF-8"),
        ("t.txt", "a / b\na\tb\n", r"t.txt: line 2: the topic 'a / b' stands there already \(line 1\); remove one"),
        ("t.txt", "\nscience:\n  - astronomy", "t.txt: line 2: 'science:' looks like YAML; name the file .yaml"),
        ("t.txt", '["a"]', "t.txt: looks like JSON; name the file .json"),
        ("t.txt", "a\tb\t3", "t.txt: line 1: more than two columns"),
        ("t.txt", "\tb", "t.txt: line 1: '' is no name of a topic; it needs a letter or a digit"),
        ("t.txt", "ok\n---", "t.txt: line 2: '---' is no name"),
        ("t.txt", "x" * 201, "t.txt: line 1: 'x+…' has 201 characters; a topic has at most 200"),
        ("t.txt", "mu\x00sic", r"t.txt: line 1: 'mu\\x00sic' holds control characters"),
        ("t.yaml", "", "t.yaml: holds no topic"),
        ("t.yaml", "a: [b\nc: 2", "t.yaml: line 2: not valid YAML: .+; put a name with : or # in quotes"),
        ("t.yaml", "music", r"t.yaml: line 1: neither a map nor a list; write domain: \[sub-domain, …\]"),
        ("t.yaml", "a: 1\nb: -2", "t.yaml: line 2: the weight of 'b' must be a number of 0 or more, not '-2'"),
        ("t.yaml", "a: {b: .nan}", "t.yaml: line 1: the weight of 'a / b' must be"),
        ("t.yaml", "a: {b: 1e999}", "t.yaml: line 1: the weight of 'a / b' must be"),
        ("t.yaml", "science: astronomy", r"not 'astronomy'; a sub-domain stands in a list, such as \[astronomy\]"),
        ("t.yaml", "a: 0\nb: {c: 0}", "t.yaml: all weights are 0; give at least one topic a weight above 0"),
        ("t.yaml", "a: 1\na: 2", "t.yaml: line 2: the key 'a' stands twice; remove one"),
        ("t.yaml", "a:\n  - b\n  - b", r"t.yaml: line 3: the topic 'a / b' stands there already \(line 2\)"),
        ("t.yaml", "a: []", "t.yaml: line 1: 'a' has an empty list"),
        ("t.yaml", "a:\n  b: [c]", "t.yaml: line 2: 'a / b' has topics below it; there are two levels"),
        ("t.yaml", "- [a]", "t.yaml: line 1: a list inside a list"),
        ("t.yaml", "[a]: 1", "t.yaml: line 1: a name is a plain text"),
        ("t.yaml", "a: [b, ]\nc: [~]", "t.yaml: line 2: '' is no name"),
        ("t.yaml", "- &x [*x]", "t.yaml: line 1: "),
        ("t.yaml", "[" * 5000, "t.yaml: not valid YAML"),
        ("t.yaml", "a: 1\n--- \nb: 2", "t.yaml: line 2: not valid YAML: but found another document"),
        ("t.json", "{", r"t.json: line 1: not valid JSON: .+ \(column 2\)"),
        ("t.json", " ", "t.json: holds no topic"),
        ("t.json", '{"a": 1, "a": 2}', "t.json: the key 'a' stands twice; remove one"),
        ("t.json", '{"a": {"b": -1}}', "t.json: key 'b': the weight of 'a / b' must be a number of 0 or more"),
        ("t.json", '{"a": ["b", null]}', "t.json: item 2 of 'a': '' is no name"),
        ("t.json", r'["\ud800x"]', r"t.json: item 1 of the file: '\\ud800x' holds control characters"),
        ("t.json", '{"a": %s}' % ("9" * 5000), "t.json: not valid JSON"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line_with_the_file_the_place_and_the_fix(
    tmp_path: Path, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        read(told(tmp_path, name, content), "en")
    assert str(caught.value).splitlines() == [str(caught.value)]


@pytest.mark.parametrize("name", ["missing.yaml", ".", "", "a\0b", "two\nlines"])
def test_a_file_that_cannot_be_opened_is_a_data_error(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"cannot read the topics .+; give a file of topics, or 'default' for those") as caught:
        read(name, "en")
    assert str(caught.value).splitlines() == [str(caught.value)]


def test_a_language_without_topics_is_named_with_those_that_have_some() -> None:
    with pytest.raises(UsageError, match="there are no topics in 'xx'; known: en, th, zh; give a file of topics"):
        read("default", "xx")


# --- allotting


def allotted(weights: list[float], n: int) -> list[int]:
    topics = Topics([Cell(f"d{i}", "", w) for i, w in enumerate(weights)])
    counts = Counter(topics.of(i).domain for i in range(n))
    return [counts[f"d{i}"] for i in range(len(weights))]


WEIGHTS = st.lists(st.one_of(st.integers(0, 50), st.floats(0, 1e6, allow_subnormal=False)), min_size=1, max_size=8).filter(any)


@given(WEIGHTS, st.integers(0, 200))
@settings(deadline=None)
def test_every_prefix_of_the_requests_has_the_counts_of_quotas(weights: list[float], n: int) -> None:
    assert allotted(weights, n) == quotas(weights, n)


def test_ties_go_to_the_earlier_topic_and_a_topic_of_weight_0_is_never_asked_for() -> None:
    topics = Topics([Cell("a"), Cell("b", "", 0), Cell("c", "", 3), Cell("d")])
    # priorities 1, 3, 1 | c/3 = 1 is as large as a's and d's
    assert [topics.of(i).name for i in range(6)] == ["c", "a", "c", "d", "c", "c"]


def test_of_topics_equally_due_the_first_of_each_domain_come_first() -> None:
    cells = [Cell("a", "1"), Cell("a", "2"), Cell("a", "3"), Cell("b", "1"), Cell("c"), Cell("b", "2")]
    topics = Topics(cells)
    assert [topics.of(i).name for i in range(7)] == ["a / 1", "b / 1", "c", "a / 2", "b / 2", "a / 3", "a / 1"]
    assert topics.cells == tuple(cells)


def test_a_cell_depends_on_the_number_of_the_request_alone() -> None:
    cells = read("default", "th")
    forward, backward = Topics(cells), Topics(cells)
    ahead = [forward.of(i) for i in range(500)]
    assert [backward.of(i) for i in reversed(range(500))] == ahead[::-1]
    assert Counter(c.name for c in ahead[: len(cells)]) == Counter(c.name for c in cells)


def test_the_first_requests_of_the_shipped_taxonomy_go_to_different_domains() -> None:
    topics = Topics(read("default", "en"))
    assert len({topics.of(i).domain for i in range(17)}) == 17


@pytest.mark.parametrize("weights", [[-1.0, 2.0], [float("nan"), 1.0], [float("inf")]])
def test_a_weight_that_is_no_weight_is_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights must be 0 or more"):
        allotted(weights, 1)


def test_no_topic_to_ask_for_is_refused() -> None:
    for cells in ([], [Cell("a", "", 0)]):
        with pytest.raises(UsageError, match="no topic has a weight above 0"):
            Topics(cells)
    with pytest.raises(ValueError, match="0 or more, not -1"):
        Topics([Cell("a")]).of(-1)


# --- what a model answers


@pytest.mark.parametrize(
    "text",
    [
        "1. Algebra\n2. Number theory\n3. C++",
        "Here are 3 sub-domains of mathematics:\n\n1) Algebra\n2) Number theory\n3) C++\n\nLet me know if you need more!",
        "1. **Algebra**: the study of symbols\n2. **Number theory** - primes\n3. **C++** – a language",
        "**1. Algebra:** symbols\n**2. Number theory:** primes\n**3. C++**\n",
        "### 1. Algebra\n- symbols\n- equations\n### 2. Number theory\n- primes\n### 3. C++",
        "1. Algebra\n   1. linear\n   2. abstract\n2. Number theory\n3. C++",
        "- Algebra\n- Number theory\n    - primes\n- C++",
        "* *Algebra*\n* `Number theory`\n* __C++__",
        "(1) Algebra\n(2) Number theory\n(3) C++.",
        "1 - Algebra\n2 - Number theory\n3 - C++",
        "1\\. Algebra\n2\\. Number theory\n3\\. C++",
        "1. “Algebra”\n2. Number theory: primes\n2. number Theory\n3. ALGEBRA\n4. C++\n5. ---",
        "Algebra\nNumber theory\nC++",
        "Here are three:\nAlgebra\nNumber theory\nC++\nI hope this helps.",
        "1. Algebra, 2. Number theory, 3. C++",
        "Three of them: 1. Algebra 2. Number theory 3. C++",
        "<think>1. Wrong\n2. Worse</think>\n1. Algebra\n2. Number theory\n3. C++",
        "1. Algebra\r\n2. Number theory\r\n3. C++\r\n4. " + "A whole sentence that is not a name " * 3,
        "1️⃣ Algebra\n2️⃣ Number theory\n3️⃣ C++",
    ],
)  # fmt: skip
def test_a_list_comes_apart_into_names(text: str) -> None:
    assert subtopics(text) == ["Algebra", "Number theory", "C++"]


def test_numbers_aligned_to_the_right_count_as_one_level() -> None:
    assert subtopics(" 9. Algebra\n10. Geometry\n11. Logic") == ["Algebra", "Geometry", "Logic"]


@pytest.mark.parametrize(
    "text",
    [
        "1. 古诗\n2. 成语", "1、古诗\n2、成语", "１．古诗\n２．成语", "一、古诗\n二、成语", "（一）古诗\n（二）成语",
        "① 古诗\n② 成语",
        "第一、古诗\n第二、成语", "以下是两个子领域：\n1. **古诗**：唐宋诗歌\n2. **成语**——固定词组\n希望对你有帮助。",
        "【1】古诗\n【2】「成语」",
        "• 古诗：赏析\n• 成语；", "以下是：\n古诗\n成语",
    ],
)  # fmt: skip
def test_a_chinese_list_comes_apart_into_names(text: str) -> None:
    assert subtopics(text) == ["古诗", "成语"]


@pytest.mark.parametrize(
    "text",
    [
        "1. ดนตรีไทย\n2. พ.ศ. และปฏิทิน", "๑. ดนตรีไทย\n๒. พ.ศ. และปฏิทิน", "๑) ดนตรีไทย\n๒) พ.ศ. และปฏิทิน",
        "ก. ดนตรีไทย\nข. พ.ศ. และปฏิทิน", "ข้อ 1 ดนตรีไทย\nข้อ 2 พ.ศ. และปฏิทิน", "ข้อที่ ๑. ดนตรีไทย\nข้อที่ ๒. พ.ศ. และปฏิทิน",
        "สาขาย่อยมีดังนี้:\n- **ดนตรีไทย**: วงปี่พาทย์\n- พ.ศ. และปฏิทิน - การนับปี", "ดนตรีไทย\nพ.ศ. และปฏิทิน",
    ],
)  # fmt: skip
def test_a_thai_list_comes_apart_into_names(text: str) -> None:
    assert subtopics(text) == ["ดนตรีไทย", "พ.ศ. และปฏิทิน"]


@pytest.mark.parametrize(
    "name", ["C#", "C++", "3D printing", "2.5D graphics", "TCP/IP", "E-commerce", "Newton–Raphson", "1:1 talks"]
)
def test_a_name_keeps_its_own_signs(name: str) -> None:
    assert subtopics(f"1. {name}\n2. Other") == [name, "Other"]
    assert subtopics(f"- {name}\n- Other")[0] == name


@pytest.mark.parametrize("text", ["", "\n \n", "I am sorry, but I cannot help with that.", "1.\n2.\n", "---\n***"])
def test_an_answer_without_names_gives_none(text: str) -> None:
    assert subtopics(text) == []


@given(st.text())
@settings(deadline=None)
def test_whatever_the_answer_names_are_short_clean_and_distinct(text: str) -> None:
    names = subtopics(text)
    assert all(0 < len(n) <= 80 and n == " ".join(n.split()) for n in names)
    assert len({n.casefold() for n in names}) == len(names)
