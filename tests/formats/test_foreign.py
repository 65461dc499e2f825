"""Files that are no rows as they stand say what they are, and what makes rows of them, in one line."""

from __future__ import annotations

import gzip
import io
import pickle
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import pytest

from datagen.errors import DataError
from datagen.formats.read import read

ROW = '{"instruction": "Say it.", "output": "It."}\n'


def archive(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as written:
        for name in names:
            written.writestr(name, "x")
    return packed.getvalue()


def tarred() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as written:
        written.addfile(tarfile.TarInfo("a.jsonl"))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.xlsx", archive("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook, which is not read; save it as CSV"),
        ("a.csv", archive("xl/workbook.xml"), "an Excel workbook"),
        ("a.jsonl.gz", gzip.compress(archive("xl/workbook.xml")), "an Excel workbook"),
        ("a.ods", archive("mimetype", "content.xml", "META-INF/manifest.xml"), "an OpenDocument file"),
        ("a.docx", archive("word/document.xml"), "an Office document"),
        (
            "a.zip",
            archive("数据.jsonl", "b.csv"),
            "a ZIP archive of 数据.jsonl, b.csv; unpack it, and name what was in it: unzip",
        ),
        ("a.tar.gz", tarred(), "a tar archive; unpack it, and name what was in it: tar -xf a.tar.gz"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "an old Office file"),
        ("a.pkl", pickle.dumps([{"instruction": "a"}]), "a pickle of Python, which runs code when it is opened"),
        ("a.pkl", pickle.dumps([{"instruction": "a"}], protocol=2), "a pickle of Python"),
        ("a.pdf", b"%PDF-1.7\n%\xe2\xe3\n1 0 obj\n", "a PDF, which holds pages and no rows"),
        ("a.html", b"\xef\xbb\xbf\n<!DOCTYPE html>\n<html><body>x</body></html>\n", "a page of HTML"),
        ("a.jsonl", b"<html>\n<head><title>404</title></head></html>\n", "a page of HTML"),
        ("a.xml", b'<?xml version="1.0"?>\n<rows><row/></rows>\n', "XML, which is not read"),
        ("a.rtf", b"{\\rtf1\\ansi Say it}", "a text in RTF"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(40), "a 7-Zip archive"),
        ("a.jsonl.lz4", b"\x04\x22\x4d\x18" + bytes(40), "packed by LZ4"),
        ("a.jsonl", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "a pointer of Git LFS"),
        ("a.yaml", b"# rows\n- instruction: Say it, now\n  output: It.\n", "it looks like YAML"),
        ("a.csv", "rows:\n  - 问题: 说吧\n    回答: 好\n".encode(), "it looks like YAML"),
        ("a.yml", b"instruction: Say it.\noutput: It.\n", "it looks like YAML"),
        ("a.jsonl", bytes(5000), "it begins with 5,000 zero bytes"),
        ("a.csv", bytes(3), "it begins with 3 zero bytes"),
        ("a.jsonl", ROW.encode("utf-16-le"), "it reads as utf-16-le without its mark, which is a guess: --encoding utf-16-le"),
        ("a.csv", "instruction,output\nพูด,ได้\n".encode("utf-16-be"), "--encoding utf-16-be"),
        ("a.csv", ("问题,回答\n" + "什么是光合作用,植物利用光能\n" * 9).encode("utf-16-le"), "--encoding utf-16-le"),
        ("a.json", '[{"คำถาม": "เมืองหลวงของประเทศญี่ปุ่นคือ", "คำตอบ": "โตเกียว"}]'.encode("utf-16-be"), "--encoding utf-16-be"),
        ("a.jsonl", '{"instruction": "说", "output": "一一一一一一一"}\n'.encode("utf-32-le"), "--encoding utf-32-le"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "bytes",  # archives hold the time
)
def test_what_is_no_rows_says_what_it_is(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as told:
        list(read(str(path)))
    assert said in str(told.value)
    assert str(told.value).startswith(f"{path}: ") and "\n" not in str(told.value)


def test_a_database_says_how_a_table_is_taken_out(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "rows.db") as database:
        database.execute("create table rows (a)")
    database.close()
    with pytest.raises(DataError, match=r"an SQLite database; .*: sqlite3 -json rows\.db 'SELECT"):
        list(read(str(tmp_path / "rows.db")))


@pytest.mark.parametrize(
    "content",
    [
        "ORCID,instruction,output\n1,Say it.,It.\n",
        "instruction,output\n<html>,<p>x</p>\n".replace("<html>", "Say it.").replace("<p>x</p>", "It."),
        "PK,instruction,output\n1,Say it.,It.\n",
        "note: a,instruction,output\nsaid: b,Say it.,It.\n",
        "\x00\n" + ROW,
    ],
)
def test_a_table_that_begins_alike_is_read(tmp_path: Path, content: str) -> None:
    path = tmp_path / "in.csv"
    path.write_text(content)
    assert [(r["instruction"], r["output"]) for r in read(str(path)) if "reason" not in r] == [("Say it.", "It.")]
