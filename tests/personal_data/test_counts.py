"""Personal data in the kept rows is counted as `clean` would mask it, and the ending of a run names the command."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.data.rows import ROW, new_row
from datagen.personal_data.counts import of_folder, of_table, said
from datagen.personal_data.mask import counted, masked_fields

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
TEXTS = [
    "Write to joe.smith@gmail.com.", "联系我：wang@公司.中国", "โทร 02-123-4567", "电话：13812345678", "Tel.: 030 901820",
    "call ＋66 81 234 5678", "Card 4111 1111 1111 1111", "server 8.8.8.8:80", "2001:4860:4860::8888", "ghp_" + "a" * 36,
    JWT, "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "โทร ๐๒-๑๒๓-๔๕๖๗", "+1 (650) 253-0000",
    "(650)\u00a0253\u00a00000 tel", "tel: 0 3 0 9 0 1 8 2 0", "aws_secret_access_key = " + "A" * 40, "me@mail.example.com",
    "`joe@gmail.com` in code", "in 2019-2020 about 12 345 678 people", "| joe@gmail.com |", "nothing here",
]  # fmt: skip


def table(*rows: dict[str, Any]) -> pa.Table:
    """Rows as a table."""
    made = [new_row(**row) for row in rows]
    return pa.table({f.name: pa.array([row[f.name] for row in made], f.type) for f in ROW}, schema=ROW)


def turn(role: str, content: str | None, **more: Any) -> dict[str, Any]:
    """One turn of a conversation."""
    return {**dict.fromkeys(f.name for f in ROW.field("messages").type.value_type), "role": role, "content": content, **more}


@pytest.mark.parametrize("text", TEXTS)
def test_the_look_by_re2_passes_nothing_by(text: str) -> None:
    here = counted(text)
    found, rows = of_table(table({"instruction": "Say it.", "output": text}, {"instruction": "a", "output": "b"}))
    assert (found, rows) == (here, int(bool(here)))


PIECES = st.sampled_from(
    ["+", "0", "00", "66", "1", "(", ")", "-", ".", " ", "\u00a0", "\u3000", "๑", "９", "tel: ", "电话：", "call ", "a", "@",
     "x.com", "4111", "1111", "8.8.8.8", ":", "::", "2001", "\n", "\t", "sk-", "A" * 40, "\x1c", "\x85"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14).map("".join))
def test_the_look_by_re2_passes_nothing_by_whatever_the_text(text: str) -> None:
    assert of_table(table({"instruction": "Say it.", "output": text}))[0] == counted(text)


def test_each_text_counts_once_and_what_a_tool_says_too() -> None:
    mail, other = "joe@gmail.com", "ann@gmail.com"
    messages = [turn("user", f"I am {mail}"), turn("tool", other), turn("assistant", f"Hi {mail}", reasoning=f"{mail}?")]
    rows = table(
        {"instruction": f"I am {mail}", "output": f"Hi {mail}", "messages": messages, "system": f"Ask {other}"},
        {"instruction": "a", "output": other, "candidates": [{"text": t, "score": None, "source": ""} for t in (other, mail)]},
        {"instruction": "a", "input": mail, "output": "b"},
        {"instruction": "a", "output": "b", "candidates": []},
    )
    assert of_table(rows) == (Counter(email=5 + 2 + 1, in_tools=1), 3)
    assert of_table(rows.slice(2)) == (Counter(email=1), 1)
    assert of_table(rows.slice(0, 0)) == (Counter(), 0)


def test_counts_in_words() -> None:
    assert (
        said({"rows": 9, "email": 1200, "phone": 1, "ip": 0, "card": 0, "key": 2})
        == "1,200 e-mail addresses, 1 phone number, 2 keys"
    )
    assert said({"rows": 0, "email": 0}) == ""


def test_a_run_says_what_it_holds_and_the_command_that_masks_it(datagen: Any, write_jsonl: Any, tmp_path: Path) -> None:
    rows = [{"instruction": f"Say number {n}.", "output": text} for n, text in enumerate(TEXTS)]
    write_jsonl("rows.jsonl", *rows)
    done = datagen("filter", "rows.jsonl", "-o", "out", "--stage", "rules")
    line, command = (line for line in done.stdout.splitlines() if "personal data" in line or "clean:do=pii" in line)
    counts = json.loads((tmp_path / "out" / "run.json").read_text("utf-8"))["personal_data"]
    assert counts == of_folder(tmp_path / "out" / "kept")
    assert counts["email"] == 2 and counts["key"] == 4 and counts["phone"] >= 5 and counts["card"] == 1 and counts["ip"] == 2
    assert line == f"personal data in {counts['rows']:,} kept rows: {said(counts)}; masked by:"
    assert said(counts) in (tmp_path / "out" / "report.html").read_text("utf-8")
    assert line in datagen("filter", "rows.jsonl", "-o", "out", "--stage", "rules").stdout  # nothing to do, said again

    masked = datagen(*shlex.split(command)[1:])
    assert "personal data" not in masked.stdout
    assert not any(of_folder(tmp_path / "out-masked" / "kept").values())
    page = (tmp_path / "out-masked" / "report.html").read_text("utf-8")
    assert "No e-mail address" in page


def test_what_stands_between_two_tables_is_counted() -> None:
    rows = table({"instruction": "Contacts?", "output": "| a | b |\n\nMail joe.smith@gmail.com\n\n| c | d@gmail.com |"})
    assert of_table(rows) == (Counter(email=1), 1)


def test_tool_calls_results_and_other_fields_are_counted_in_every_script() -> None:
    said = ("joe@gmail.com", "โทร ๐๘๑-๒๓๔-๕๖๗๘")
    calls = [json.dumps({"name": "crm", "arguments": json.dumps({"q": text})}) for text in said]
    result = turn("tool", '{"电话": "电话13812345678"}')
    extra = '{"meta": {"by": ["joe@gmail.com"]}, "id": "13812345678", "_shape": {"a": "b@c.com"}}'
    rows = table(
        *({"instruction": "a", "messages": [turn("user", "a"), turn("assistant", None, tool_calls=call)]} for call in calls),
        {"instruction": "a", "messages": [turn("user", "a"), result, turn("assistant", "b")]},
        {"instruction": "a", "output": "b", "extra": extra},
        {"instruction": "a", "output": "b", "extra": "[]"},
    )
    assert of_table(rows) == (Counter(email=2, phone=2, in_tools=3), 4)


def test_other_fields_are_masked_as_they_are_counted() -> None:
    extra = '{"reasoning": "mail joe@gmail.com, `joe@gmail.com`", "id": "13812345678", "n": 13812345678}'
    assert masked_fields(extra) == extra.replace("mail joe@gmail.com", "mail [EMAIL]")
    assert (masked_fields(""), masked_fields("[1]")) == ("", "[1]")
