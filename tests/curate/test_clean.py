"""`clean` mends what is named, where it is text, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen import recipe, stage
from datagen.curate.clean import Clean
from datagen.errors import UsageError
from datagen.report.explain import fates
from datagen.rows import ROW, new_row, table_of, turn
from datagen.run import execute
from datagen.shards import ShardWriter, read_all


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
    ],
)
def test_html_becomes_its_text_and_what_only_looks_like_it_stays(text: str, better: str) -> None:
    assert mended(text, "html") == better


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
