"""Files to documents: each kind, folders, fields, and what cannot be read."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path

import pytest

from datagen.documents.reading import documents
from datagen.errors import DataError


def test_a_folder_gives_a_document_per_file_and_per_record(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("plain")
    (tmp_path / "sub" / "b.md").write_text("# head")
    (tmp_path / "c.html").write_text("<p>x</p>")
    (tmp_path / "d.jsonl").write_text(
        json.dumps({"url": "u1", "text": "one", "title": "T"}) + "\n" + json.dumps({"content": "two"})
    )
    (tmp_path / "e.txt.gz").write_bytes(gzip.compress(b"packed"))
    (tmp_path / ".hidden.txt").write_text("no")
    (tmp_path / "picture.png").write_bytes(b"no")
    found = [(d.id, d.text, d.markup, d.title) for d in documents(str(tmp_path))]
    assert found == [
        ("a.txt", "plain", "text", ""), ("c.html", "<p>x</p>", "html", ""), ("u1", "one", "text", "T"),
        ("d.jsonl#line 2", "two", "text", ""), ("e.txt.gz", "packed", "text", ""), ("sub/b.md", "# head", "markdown", ""),
    ]  # fmt: skip


def test_fields_that_are_named_are_taken_and_a_wrong_one_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"key": 7, "article": "text of it", "text": "other"}\n')
    [one] = documents(str(path), "key", "article")
    assert (one.id, one.text) == ("7", "text of it")
    with pytest.raises(DataError, match="no record has a text: looked for 'body'; the fields are: key, article, text"):
        list(documents(str(path), None, "body"))


def test_what_cannot_be_read_is_a_document_with_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe broken")
    (tmp_path / "b.jsonl").write_text('{"text": "good"}\n{"text": 3}\nnot json\n')
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(random.Random(17).randbytes(4000).hex().encode())[:2000])
    found = {d.id: d.problem for d in documents(str(tmp_path))}
    assert found["a.txt"] == "bytes that are not UTF-8"
    assert found["b.jsonl#line 1"] == "" and found["b.jsonl#line 2"] and found["b.jsonl#line 3"]
    assert found["c.txt.gz"] == "the file breaks off: the compressed data is incomplete"


def test_nothing_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no document in this folder"):
        list(documents(str(tmp_path)))
    with pytest.raises(DataError, match="no such file"):
        list(documents(str(tmp_path / "nowhere")))
