"""`clean` mends what is named, where it is text, and nothing else."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from datagen import recipe, stage
from datagen.curate.clean import Clean
from datagen.data.rows import ROW, new_row, table_of, turn
from datagen.data.shards import ShardWriter, read_all
from datagen.errors import UsageError
from datagen.report.explain import fates
from datagen.runner import execute


def mended(text: str, *do: str, **options: object) -> str:
    return Clean(do=do, **options).text(text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("schÃ¶n", "schön"),
        ("a\r\nb", "a\nb"),
        ("bell\x07", "bell"),
        ("caf\u0065\u0301", "café"),
        ("“quoted” ﬁ，全角。ＡＢＣ", "“quoted” ﬁ，全角。ＡＢＣ"),
        ("ที่นี้", "ที่นี้"),
        ("a &lt; b", "a &lt; b"),
        ("```\nschÃ¶n\n``` schÃ¶n", "```\nschÃ¶n\n``` schön"),
    ],
)
def test_unicode_is_repaired_and_no_style_is_changed(text: str, better: str) -> None:
    assert mended(text, "unicode") == better


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("<p>Hello <b>world</b></p><p>next<br>line</p>", "Hello world\nnext\nline"),
        ("<table><tr><td>a</td><td>b</td></tr></table>", "a | b"),
        ("<div>x<script>alert(1)</script></div>", "x"),
        ("<p>Tom &amp; Jerry</p>", "Tom & Jerry"),
        ("if a < b and c > d", "if a < b and c > d"),
        ("std::vector<int> v", "std::vector<int> v"),
        ("`<b>` makes text bold", "`<b>` makes text bold"),
        ("Stop when a<b and c>d holds.", "Stop when a<b and c>d holds."),
        ("ถ้า a<b และ c>d ให้หยุด", "ถ้า a<b และ c>d ให้หยุด"),
        ("如果a<b且c>d则<i>停</i>", "如果a<b且c>d则停"),
        ("List<a> and Map<p, q>; if a<b and i>3 then <i>stop</i>", "List<a> and Map<p, q>; if a<b and i>3 then stop"),
        ("mv <source> <title> with <b>care</b>", "mv <source> <title> with care"),
        ("<think>why</think><b>so</b>", "<think>why</think>so"),
        ("See <b>this</b>:\n```python\nprint(1)\n```", "See this:\n```python\nprint(1)\n```"),
        ("| 1 | 2 |\n\nend <i>it</i>", "| 1 | 2 |\n\nend it"),
        ("Call `f()` for <b>each</b> `x`", "Call `f()` for each `x`"),
        ("- <b>a</b>\n    - b\n\n1. c\n", "- a\n    - b\n\n1. c\n"),
        ("<p>Run</p>\n\n```sh\nls <p>\n```\n\n<p>`a<b` y</p>", "Run\n\n```sh\nls <p>\n```\n\n`a<b` y"),
        ("<pre>if a:\n    b &lt; c</pre>then", "if a:\n    b < c\nthen"),
        ("<ul>\n  <li>one\n  <li>two\n</ul>\n\nAfter.", "one\ntwo\n\nAfter."),
        ("10<sup>6</sup>, H<sub>2</sub>O, 1<sup>st</sup>, e<sup>x</sup>", "10⁶, H₂O, 1st, e^x"),
        ("x <!-- no --> y <math><mn>1</mn></math>", "x y <math><mn>1</mn></math>"),
        ("text</p></div>", "text"),
        ("<b>see</b> ?a=1&copy=2 &amp; &lt;b&gt;", "see ?a=1&copy=2 & <b>"),
    ],
)
def test_html_becomes_its_text_and_what_only_looks_like_it_stays(text: str, better: str) -> None:
    assert mended(text, "html") == better


PIECES = st.lists(
    st.sampled_from(
        [
            "a",
            "<",
            ">",
            "b",
            " ",
            "\n",
            "<b>",
            "</b>",
            "<p>",
            "</p>",
            "<br>",
            "`",
            "ก",
            "中",
            "/",
            "|",
            "$",
            "<div>",
            "</div>",
            "<td>",
            "</td>",
            "<i x=1>",
            "&lt;",
            "<li>",
            "a<b and c>d",
            "<pre>",
            "</pre>",
            "\n\n",
            "<table>",
            "</table>",
        ]
    ),
    max_size=16,
).map("".join)


@given(PIECES)
def test_only_markup_goes_whatever_the_text(text: str) -> None:
    assert regex.findall("[ก中`$]|and", mended(text, "html")) == regex.findall("[ก中`$]|and", text)


def test_a_row_of_which_only_markup_was_said_is_dropped_as_it_stood(tmp_path) -> None:
    rows = [
        new_row(instruction="Add a script.", output="<script>alert(1)</script>"), new_row(instruction="<!-- ก -->", output="b"),
        new_row(instruction="c", output="<b>中</b>"), new_row(instruction="d", output=""),
        new_row(instruction="e", messages=[turn("user", "e"), turn("assistant", "<style>p{}</style>", reasoning="hm")]),
    ]  # fmt: skip
    with ShardWriter(tmp_path / "in", ROW) as writer:
        for row in rows:
            writer.add(row)
    result = execute(recipe.make([{"clean": {"do": "html"}}], input=(str(tmp_path / "in"),)), tmp_path / "out")
    dropped = read_all(result.folder / "dropped").to_pylist()
    assert [(d["id"], d["reason"], d["output"], d["evidence"]) for d in dropped] == [
        (rows[0]["id"], "empty_answer", rows[0]["output"], "only markup: <script>alert(1)</script>"),
        (rows[1]["id"], "empty_task", "b", "only markup: <!-- ก -->"),
        (rows[4]["id"], "empty_answer", "", "only markup: <style>p{}</style>"),
    ]
    assert read_all(result.folder / "kept").column("output").to_pylist() == ["中", ""]
    assert len(read_all(result.folder / "rewritten")) == 1


def test_emoji_become_words() -> None:
    assert mended("well done 👍", "emoji") == "well done :thumbs_up:"


@pytest.mark.parametrize(
    ("text", "better"),
    [
        ("write to jo.doe+x@mail.co.uk.", "write to [EMAIL]."),
        ("me@example.com and a@b.test", "me@example.com and a@b.test"),
        ("电话13812345678，谢谢", "电话[PHONE]，谢谢"),
        ("โทร 081-234-5678", "โทร [PHONE]"),
        ("+66 2 123 4567 or (415) 555-2671", "[PHONE] or [PHONE]"),
        ("in 1809-1865, 40.728157, -73.9999 and 2025550123 things", "in 1809-1865, 40.728157, -73.9999 and 2025550123 things"),
        ("8.8.8.8, 2001:4860:4860::8888, 127.0.0.1, 192.168.1.1", "[IP], [IP], 127.0.0.1, 192.168.1.1"),
        ("the mask 255.255.255.0", "the mask 255.255.255.0"),
        ("邮箱a@b.com，谢谢", "邮箱[EMAIL]，谢谢"),
        ("at 12:30:45 version 1.2.3.4", "at 12:30:45 version 1.2.3.4"),
        ("4111 1111 1111 1111, 378282246310005", "[CARD], [CARD]"),
        ("4111 1111 1111 1112 and 1234567890123456", "4111 1111 1111 1112 and 1234567890123456"),
        ("key sk-abcdefghijklmnopqrstuvwx and AKIAABCDEFGHIJKLMNOP", "key [KEY] and [KEY]"),
        ("`a@b.com` $a@b.com$ | a@b.com", "`a@b.com` $a@b.com$ | [EMAIL]"),
    ],
)  # fmt: skip
def test_personal_data_is_masked_and_numbers_that_are_none_stay(text: str, better: str) -> None:
    assert mended(text, "pii") == better


def test_only_the_named_kinds_are_masked() -> None:
    assert mended("a@b.com 8.8.8.8", "pii", mask=("ip",)) == "a@b.com [IP]"


def test_tool_calls_and_what_tools_say_are_not_touched() -> None:
    turns = [
        turn("user", "mail a@b.com"), turn("assistant", None, tool_calls='{"to": "a@b.com"}'),
        turn("tool", "sent to a@b.com", tool_call_id="1"), turn("assistant", "sent to a@b.com", reasoning="a@b.com"),
    ]  # fmt: skip
    row = new_row(instruction="mail a@b.com", tools='[{"name": "a@b.com"}]', messages=turns)
    (out,) = Clean(do=("pii",)).rewrite(table_of([row])).to_pylist()
    said = [(t["content"], t["tool_calls"], t["reasoning"]) for t in out["messages"]]
    assert said == [
        ("mail [EMAIL]", None, None), (None, '{"to": "a@b.com"}', None), ("sent to a@b.com", None, None),
        ("sent to [EMAIL]", None, "[EMAIL]"),
    ]  # fmt: skip
    assert out["tools"] == row["tools"]


def test_a_row_that_becomes_equal_to_an_earlier_one_is_dropped_and_followed(tmp_path) -> None:
    rows = [new_row(instruction="Say schön", output="schön"), new_row(instruction="Say schÃ¶n", output="schÃ¶n")]
    with ShardWriter(tmp_path / "in", ROW) as writer:
        for row in rows:
            writer.add(row)
    result = execute(recipe.make([{"clean": {"do": "unicode"}}, "minhash"], input=(str(tmp_path / "in"),)), tmp_path / "out")
    kept, dropped = read_all(result.folder / "kept"), read_all(result.folder / "dropped")
    assert kept.column("id").to_pylist() == [rows[0]["id"]]
    assert [(d["stage"], d["reason"], d["witness_id"]) for d in dropped.to_pylist()] == [
        ("clean", "exact_duplicate", rows[0]["id"])
    ]
    assert read_all(result.folder / "rewritten").to_pylist() == [
        {"old_id": rows[1]["id"], "new_id": rows[0]["id"], "stage": "clean"}
    ]
    told = fates(result.folder, rows[1]["id"])
    assert [(t["id"], t.get("reason")) for t in told] == [(rows[0]["id"], "exact_duplicate"), (rows[0]["id"], None)]
    assert {t["rewritten_from"] for t in told} == {rows[1]["id"]}


@given(st.text())
def test_no_text_breaks_it_and_mending_twice_changes_nothing(text: str) -> None:
    once = mended(text, "unicode", "pii")
    assert mended(once, "unicode", "pii") == once


def test_a_mend_that_there_is_not_is_an_error() -> None:
    with pytest.raises(UsageError, match="do: 'utf8' is not one of unicode, html, emoji, pii"):
        stage.make("clean", {"do": "utf8"})


def test_clean_without_anything_to_do_says_so() -> None:
    with pytest.raises(UsageError, match="clean does only what is named: --stage clean:do=unicode"):
        stage.make("clean", {}).identity()
