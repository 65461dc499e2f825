"""Files to documents: each kind, folders, fields, and what cannot be read."""

from __future__ import annotations

import gzip
import json
import random
import tracemalloc
from pathlib import Path

import pytest

from datagen.documents import reading
from datagen.documents.reading import documents, others_beside
from datagen.errors import DataError


def test_a_folder_gives_a_document_per_file_and_per_record(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.txt").write_text("plain")
    (tmp_path / "sub" / "b.md").write_text("# head")
    (tmp_path / "c.html").write_text("<p>x</p>")
    (tmp_path / "d.jsonl").write_text(
        json.dumps({"url": "u1", "text": "one", "title": "T"}) + "\n" + json.dumps({"content": "two"})
    )
    (tmp_path / "e.txt.gz").write_bytes(gzip.compress(b"packed", mtime=0))
    (tmp_path / ".hidden.txt").write_text("no")
    (tmp_path / "picture.png").write_bytes(b"no")
    found = [(d.id, d.text, d.markup, d.title) for d in documents(str(tmp_path))]
    assert others_beside([str(tmp_path), str(tmp_path)]) == {".png": 1}, "it is told of, not passed over in silence"
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
    with pytest.raises(DataError, match="no field 'kee' of --id-field; the fields are: key, article, text"):
        list(documents(str(path), "kee"))


def test_what_cannot_be_read_is_a_document_with_a_problem(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff\xff broken")
    (tmp_path / "b.jsonl").write_text('{"text": "good"}\n{"text": 3}\nnot json\n')
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(random.Random(17).randbytes(4000).hex().encode(), mtime=0)[:2000])
    found = {d.id: d.problem for d in documents(str(tmp_path))}
    assert found["a.txt"] == "bytes that are not UTF-8; turn them into it first (iconv -t utf-8)"
    assert found["b.jsonl#line 1"] == "" and found["b.jsonl#line 2"] and found["b.jsonl#line 3"]
    assert found["c.txt.gz"] == "the file breaks off: the compressed data is incomplete"


def test_nothing_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no document in this folder"):
        list(documents(str(tmp_path)))
    with pytest.raises(DataError, match="no such file"):
        list(documents(str(tmp_path / "nowhere")))


def test_pages_in_the_encoding_that_they_name_and_utf_16_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_bytes('<meta charset="gb2312"><p>你好</p>'.encode("gb2312"))
    (tmp_path / "b.html").write_bytes('<meta http-equiv="x" content="text/html; charset=TIS-620"><p>สวัสดี</p>'.encode("tis-620"))
    (tmp_path / "c.txt").write_bytes("สวัสดี".encode("utf-16"))
    found = {d.id: (d.text, d.problem) for d in documents(str(tmp_path))}
    assert "你好" in found["a.html"][0] and "สวัสดี" in found["b.html"][0] and found["c.txt"] == ("สวัสดี", "")
    assert not any(problem for _, problem in found.values())


def test_names_and_records_with_halves_of_characters_stop_nothing(tmp_path: Path) -> None:
    import os

    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/na\xffme.txt"))).write_text("text")
    (tmp_path / "x.jsonl").write_text('{"id": "x\\ud800y", "title": "t\\udfff", "text": "good"}\n{"text": "half \\ud800"}\n')
    found = {d.id: (d.title, d.problem) for d in documents(str(tmp_path))}
    assert found["na\\udcffme.txt"] == ("", "") and found["x\\ud800y"] == ("t\\udfff", "")
    assert found["x.jsonl#line 2"][1] == "a lone surrogate, which is no character"


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_a_document_that_unpacks_to_more_than_is_read_is_a_problem_and_not_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packed: str
) -> None:
    monkeypatch.setattr(reading, "LONGEST", 1 << 20)
    monkeypatch.setattr(reading, "KEEP", 1 << 10)
    raw = b"salt and stone, " * (1 << 20)  # 16 MiB
    (tmp_path / f"a.md{packed}").write_bytes(gzip.compress(raw, 1, mtime=0) if packed else raw)
    (tmp_path / "b.txt").write_text("x" * ((1 << 20) - 1))
    tracemalloc.start()
    try:
        bomb, whole = documents(str(tmp_path))
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (bomb.id, len(bomb.text), len(whole.text), whole.problem) == (f"a.md{packed}", 1 << 10, (1 << 20) - 1, "")
    assert bomb.problem.startswith("a document of 16,777,216 bytes, where ") and "split it" in bomb.problem
    assert most < 8 << 20
