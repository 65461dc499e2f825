"""CSV: a quote that is never closed costs its row, cells of several lines stay, other encodings are named."""

from __future__ import annotations

import pytest

from datagen.errors import DataError
from datagen.formats import csv
from datagen.formats.read import read


def outcome(tmp_path, content: str, **options):
    path = tmp_path / "in.csv"
    path.write_bytes(content.encode())
    return [r["evidence"].split(": ")[1:3] if "reason" in r else (r["instruction"], r["output"]) for r in read(str(path))]


GOOD = [(f"q{n}", f"a{n}") for n in range(6)]
LINES = [f"{q},{a}\n" for q, a in GOOD]


@pytest.mark.parametrize("at", [0, 2, 5])
@pytest.mark.parametrize("broken", ['"open,x\n', 'open,"x\n', '"open "again",x\n'])
@pytest.mark.parametrize("others", ["plain", "quoted"])
def test_an_open_quote_costs_its_row_alone(tmp_path, at, broken, others):
    lines = LINES if others == "plain" else [f'"{q}","{a}"\n' for q, a in GOOD]
    head = "instruction,output\n" if others == "plain" else '"instruction","output"\n'
    found = outcome(tmp_path, head + "".join([*lines[:at], broken, *lines[at:]]))
    assert [f for f in found if isinstance(f, tuple)] == GOOD
    assert len(found) == 7
    assert found[at][0] == f"line {at + 2}"


def test_an_open_quote_in_the_last_line_is_said(tmp_path):
    assert outcome(tmp_path, 'instruction,output\nq0,a0\nq1,"a1')[-1] == [
        "line 3",
        "a quote is never closed, or stands alone in a quoted cell",
    ]


def test_cells_of_several_lines_stay(tmp_path):
    cell = 'Read this:\n\ninstruction,output\nq7,a7\n"quoted, too"\n'
    quoted = cell.replace('"', '""')
    content = f'instruction,output\nq0,a0\n"{quoted}","{quoted}"\nq1,"last\r\nline"\n'
    assert outcome(tmp_path, content) == [("q0", "a0"), (cell, cell), ("q1", "last\r\nline")]


def test_text_of_a_broken_cell_is_no_row(tmp_path):
    content = 'instruction,output\nq0,a0\n"Write of "rain", please.\nIn short, it rhymes.\nThanks.",x\nq1,a1\n'
    found = outcome(tmp_path, content)
    assert [f for f in found if isinstance(f, tuple)] == [("q0", "a0"), ("q1", "a1")]


def test_a_row_of_several_lines_with_a_cell_too_many_is_one_ledger_row(tmp_path):
    found = outcome(tmp_path, 'instruction,output\n"a\nb",x,y\nq0,a0\n')
    assert found == [["line 3", "3 cells where the header has 2"], ("q0", "a0")]


def test_quotes_within_a_cell_are_text(tmp_path):
    assert outcome(tmp_path, 'instruction,output\nA 5" disk,x\nq0,a0\n') == [('A 5" disk', "x"), ("q0", "a0")]


def test_an_open_quote_before_much_text_does_not_hold_all_of_it(tmp_path, monkeypatch):
    monkeypatch.setattr(csv, "LONGEST", 10_000)
    found = outcome(tmp_path, 'instruction,output\n"open,x\n' + "".join(f"q{n},a{n}\n" for n in range(5000)))
    assert found[1:] == [(f"q{n}", f"a{n}") for n in range(5000)]


def test_a_line_that_is_too_long_costs_its_row(tmp_path, monkeypatch):
    monkeypatch.setattr(csv, "LONGEST", 10_000)
    found = outcome(tmp_path, "instruction,output\nq0,a0\nq," + "x" * 50_000 + "\nq1,a1\n")
    assert [found[0], found[2]] == [("q0", "a0"), ("q1", "a1")]
    assert found[1] == ["line 3", "a line of 50,003 characters, where 10,000 are read"]


@pytest.mark.parametrize(
    ("header", "names"),
    [
        ("问题\t回答", ["问题", "回答"]),
        ("Question;Answer ", ["Question", "Answer "]),
        ("คำถาม|คำตอบ", ["คำถาม", "คำตอบ"]),
        ("human;assistant", ["human", "assistant"]),
        ('"Question, in full";Output', ["Question, in full", "Output"]),
        ("nr, no; prompt, if any;Completion", ["nr, no", " prompt, if any", "Completion"]),
    ],
)
def test_the_delimiter_is_the_one_of_names_that_are_known_in_any_spelling(tmp_path, header, names):
    row = [f"one, two|three\tfour{n}" if n else "5" for n in range(len(names))]
    delimiter = next(d for d in "\t;|" if d in header)
    path = tmp_path / "in.csv"
    path.write_text(header + "\n" + delimiter.join(cell.replace(delimiter, " ") for cell in row) + "\n", "utf-8")
    (piece,) = csv.pieces(path)
    assert list(piece.record) == names


@pytest.mark.parametrize("line", ["Tea, hot; or cold.", "Tea | milk; both", "Tea\tand, milk"])
def test_commas_in_the_rows_of_one_column_are_text(tmp_path, line):
    path = tmp_path / "in.csv"
    path.write_text(f"remark\n{line}\nPlain.\n", "utf-8")
    assert [p.record for p in csv.pieces(path)] == [{"remark": line}, {"remark": "Plain."}]


@pytest.mark.parametrize("first", ["sep=;\n", '"sep=;"\r\n', "\ufeffsep=;\n", "sep=^\n", "sep=\t\r\n"])
def test_the_line_by_which_excel_names_the_separator_is_no_header(tmp_path, first):
    mark = first.strip('\ufeff"\r\n')[-1] if "\t" not in first else "\t"
    content = first + f"instruction{mark}output\nSay it, now{mark}好\nx\n"
    assert outcome(tmp_path, content) == [("Say it, now", "好"), ["line 4", "1 cells where the header has 2"]]


@pytest.mark.parametrize(
    ("encoding", "header", "row", "named"),
    [
        ("gbk", "问题,答案", "光合作用是什么,植物利用阳光制造养分", "gb18030"),
        ("gbk", "问题,output", "x,y", "gb18030"),
        ("shift_jis", "質問,答え", "これは何ですか,これは本です", "shift_jis"),
        ("tis-620", "คำถาม,คำตอบ", "เมืองหลวงคืออะไร,กรุงเทพมหานคร", "cp874"),
        ("big5", "問題,答案", "什麼是光合作用的過程,植物利用陽光製造養分的過程", "big5"),
        ("cp1251", "вопрос,ответ", "какая столица,Москва это столица", "cp1251"),
        ("euc-kr", "질문,답변", "수도는 어디입니까,서울입니다", "euc_kr"),
    ],
)
def test_a_header_in_another_encoding_names_it(tmp_path, encoding, header, row, named):
    path = tmp_path / "in.csv"
    path.write_bytes(f"{header}\n{row}\n".encode(encoding))
    with pytest.raises(DataError, match=f"the header: bytes that are not UTF-8; it reads as .*: --encoding {named}"):
        list(read(str(path)))


def test_the_row_numbers_of_pandas_are_no_content(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text(",instruction,Unnamed: 0,output\n0,a,7,b\n1,c,8,d\n")
    rows = list(read(str(path)))
    assert [(r["instruction"], r["output"]) for r in rows] == [("a", "b"), ("c", "d")]
    assert all("Unnamed" not in r["extra"] and '"": ' not in r["extra"] for r in rows)
    (row, _) = read(str(path), mapping={"input": "Unnamed: 0"})
    assert row["input"] == "7"


def test_a_column_without_a_name_that_says_something_stays(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("instruction,output,\na,b,a remark\nc,d,\n")
    said, empty = read(str(path))
    assert '"": "a remark"' in said["extra"] and '"": ' not in empty["extra"]


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("instruction,output,output", "several columns are named 'output': one of them is read as 'output_2'"),
        ("instruction;output;提示;提示", "several columns are named '提示': one of them is read as '提示_2'"),
        ("instruction,output,note", ""),
        ("instruction,output,,", ""),  # columns without a name are none
    ],
)
def test_a_column_whose_name_stands_twice_is_said(tmp_path, capsys, header, said):
    cells = len(header.replace(";", ",").split(","))
    (tmp_path / "a.csv").write_text(f"{header}\n{(';' if ';' in header else ',').join('abcd'[:cells])}\n")
    (row,) = read(str(tmp_path / "a.csv"))
    assert (row["instruction"], row["output"]) == ("a", "b")
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == bool(said)
