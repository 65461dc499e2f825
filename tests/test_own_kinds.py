"""A generator, a teacher, a stage and a step of one's own: each is one file, and has its command, its function and its help."""

from __future__ import annotations

import inspect
import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from local_endpoint import LocalEndpoint

import datagen as dg
from datagen import calls
from datagen.data.shards import read_all
from datagen.errors import DatagenError
from datagen.options import listed
from datagen.recipe import make
from datagen.runner import execute
from datagen.step import Kind, find

GENERATOR = '''
from dataclasses import dataclass

from datagen.generate.draft import drafted
from datagen.generator import Generator
from datagen.options import option


@dataclass(frozen=True)
class Riddles(Generator):
    """Make N riddles.

    One request each.
    """

    about: str = option("rivers", "what they are about")

    def maker(self, seeds, chat, topic):
        return Asking(self, chat)


class Asking:
    def __init__(self, options, chat):
        self.options, self.chat = options, chat

    async def make(self, index, seen):
        said = f"Riddle {index} about {self.options.about}, please."
        body = {"messages": [{"role": "user", "content": said}], **self.options.sampling()}
        answer = await self.chat.complete("chat/completions", body, index)
        return [drafted(answer, f"Guess riddle {index}: what {index * 7} {self.options.about} ask of {index * 31}?")]
'''
TEACHER = '''
from dataclasses import dataclass

from datagen.options import option
from datagen.teacher import Teacher
from datagen.teaching.desk import Desk


@dataclass(frozen=True)
class Shout(Teacher):
    """Say the answers of ROWS louder."""

    marks: int = option(1, "exclamation marks at the end")

    def lesson(self, step, chat):
        return Louder(Desk(step, chat, self, 64), self.marks)


class Louder:
    adds = False

    def __init__(self, desk, marks):
        self.desk, self.marks = desk, marks

    async def taught(self, row):
        answer = await self.desk.ask([{"role": "user", "content": f"Louder: {row['output']}"}])
        if lost := self.desk.refused(row, answer):
            return [lost]
        return [self.desk.made(row, [answer], [], output=row["output"].upper() + "!" * self.marks)]
'''
STEP = '''
from dataclasses import dataclass
from typing import ClassVar

from datagen.options import option
from datagen.step import Kind


@dataclass(frozen=True)
class Count(Kind):
    """Write how many rows are left into count.txt."""

    doer: ClassVar[str] = "mine.count:count"
    place: ClassVar[str] = "last"
    leaves: ClassVar[tuple[str, ...]] = ("count.txt",)

    before: str = option("rows: ", "words before the number")


def count(run, step, folder):
    from datagen.steps.entry import entry
    from datagen.work import Work

    rows = int(run.datasets[-1].alive().sum())

    def work():
        (run.out / "count.txt").write_text(f"{step.options.before}{rows}")
        return entry(step.name, {"before": step.options.before}, rows, {})

    return Work(f"{run.tail}-{step.options.before}", work)
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a package of own kinds, as a user has it."""
    (tmp_path / "mine").mkdir()
    for name, text in (("riddles", GENERATOR), ("shout", TEACHER), ("count", STEP)):
        (tmp_path / "mine" / f"{name}.py").write_text(text, "utf-8")
    (tmp_path / "rows.jsonl").write_text('{"instruction": "Name a river.", "output": "The Mekong."}\n', "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [n for n in sys.modules if n.partition(".")[0] == "mine"]:
        del sys.modules[name]


def test_a_generator_of_ones_own_has_a_command_and_a_function(
    mine: Path, endpoint: LocalEndpoint, datagen: Callable[..., Any]
) -> None:
    told = datagen("mine.riddles", "--help")
    assert (
        "Make N riddles." in told.stdout
        and "--about TEXT" in told.stdout
        and "What they are about. Default rivers." in told.stdout
    )
    at = ("--model", "local", "--base-url", endpoint.base_url)
    done = datagen("mine.riddles", "-n", "3", "-o", "out", "--about", "lakes", *at, "--rules", "off")
    assert done.returncode == 0, done.stderr
    rows = read_all(mine / "out" / "kept").to_pylist()
    assert len(rows) == 3 and all("lakes" in row["instruction"] for row in rows)
    assert "nothing to do" in datagen("mine.riddles", "-n", "3", "-o", "out", "--about", "lakes", *at, "--rules", "off").stdout
    function = dg.function("mine.riddles")
    assert inspect.signature(function).parameters["about"].default == "rivers"
    run = function(mine / "other", 2, model="local", base_url=endpoint.base_url, rules=("off",))
    assert run.summary["rows_kept"] == 2


def test_a_teacher_of_ones_own_has_a_command_and_a_function(
    mine: Path, endpoint: LocalEndpoint, datagen: Callable[..., Any]
) -> None:
    at = ("--model", "local", "--base-url", endpoint.base_url)
    done = datagen("mine.shout", "rows.jsonl", "-o", "out", "--marks", "2", *at)
    assert done.returncode == 0, done.stderr
    assert read_all(mine / "out" / "kept").column("output").to_pylist() == ["THE MEKONG.!!"]
    run = calls.function("mine.shout")("rows.jsonl", mine / "other", model="local", base_url=endpoint.base_url)
    assert run.kept.column("output").to_pylist() == ["THE MEKONG.!"]
    wrong = datagen("mine.shout", "rows.jsonl", "-o", "none", "--marks", "x", *at)
    assert (wrong.returncode, wrong.stderr) == (2, "datagen: step 'mine.shout', option 'marks': 'x' is not a whole number\n")


def test_a_step_of_ones_own_stands_in_a_recipe_and_takes_what_it_left_with_it(mine: Path) -> None:
    steps = ["rules", {"mine.count": {"before": "left: "}}]
    result = execute(make(steps, input=("rows.jsonl",)), mine / "out")
    assert (mine / "out" / "count.txt").read_text() == "left: 1"
    assert [s["name"] for s in result.summary["stages"]] == ["input", "rules", "mine.count"]
    assert not execute(make(steps, input=("rows.jsonl",)), mine / "out").worked
    execute(make(["rules"], input=("rows.jsonl",)), mine / "out")
    assert not (mine / "out" / "count.txt").exists()


def test_another_kind_of_the_same_options_and_another_version_are_done_anew(
    mine: Path, endpoint: LocalEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two teachers with equal options, before a step that looks at nothing but what came before it."""
    (mine / "mine" / "whisper.py").write_text(TEACHER.replace("Shout", "Whisper").replace(".upper()", ".lower()"), "utf-8")
    model = {"model": "local", "base_url": endpoint.base_url}

    def answers_of(*steps: Any) -> list[str]:
        run = execute(make([*steps, {"mine.count": {}}], input=("rows.jsonl",)), mine / "out")
        return [s["seconds"] for s in run.summary["stages"]] and read_all(mine / "out" / "kept").column("output").to_pylist()

    assert answers_of({"mine.shout": model}) == ["THE MEKONG.!"]
    marks = json.loads((mine / "out" / "run.json").read_text())["marks"]
    assert answers_of({"mine.whisper": model}) == ["the mekong.!"]
    other = json.loads((mine / "out" / "run.json").read_text())["marks"]
    assert marks["01-mine.shout"] != other["01-mine.whisper"]
    assert marks["02-mine.count"] != other["02-mine.count"]

    (mine / "out" / "count.txt").write_text("of before")
    count = find("mine.count", Kind)
    monkeypatch.setattr(count, "version", 2)
    assert answers_of({"mine.whisper": model}) == ["the mekong.!"]
    assert (mine / "out" / "count.txt").read_text() == "rows: 1"


@pytest.mark.parametrize(
    ("text", "way", "said"),
    [
        (GENERATOR, "maker", "step 'mine.riddles' has neither a method maker() nor method_at = 'module:function'"),
        (TEACHER, "lesson", "step 'mine.shout' has neither a method lesson() nor lesson_at = 'module:function'"),
    ],
)
def test_a_kind_that_does_not_say_who_does_its_work_is_one_line(
    mine: Path, endpoint: LocalEndpoint, datagen: Callable[..., Any], text: str, way: str, said: str
) -> None:
    name = "riddles" if way == "maker" else "shout"
    (mine / "mine" / f"{name}.py").write_text(text.replace(f"def {way}", "def wrong"), "utf-8")
    given = ["-n", "2"] if way == "maker" else ["rows.jsonl"]
    done = datagen(f"mine.{name}", *given, "-o", "out", "--model", "local", "--base-url", endpoint.base_url)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, f"datagen: {said}")


MADE = 'return [self.desk.made(row, [answer], [], output=row["output"].upper() + "!" * self.marks)]'


@pytest.mark.parametrize(
    ("instead", "said"),
    [
        ("return []", "ValueError: taught() returned no row"), ("return None", "must return a list of rows, not None"),
        ("return ['abc']", "TypeError: taught() must return a list of rows"), ("raise SystemExit(3)", "SystemExit: 3"),
        ("return [{'x': 1}]", "TypeError: taught() must return a list of rows"),
    ],
)  # fmt: skip
def test_what_a_teacher_of_ones_own_gives_wrongly_is_a_ledger_row(
    mine: Path, endpoint: LocalEndpoint, datagen: Callable[..., Any], instead: str, said: str
) -> None:
    (mine / "mine" / "shout.py").write_text(TEACHER.replace(MADE, instead), "utf-8")
    done = datagen("mine.shout", "rows.jsonl", "-o", "out", "--model", "local", "--base-url", endpoint.base_url)
    assert done.returncode == 3, done.stderr
    [lost] = read_all(mine / "out" / "dropped").to_pylist()
    assert (lost["reason"], lost["instruction"]) == ("error", "Name a river.") and said in lost["evidence"]


def test_a_generator_of_ones_own_that_makes_nothing_ends_with_one_line(
    mine: Path, endpoint: LocalEndpoint, datagen: Callable[..., Any]
) -> None:
    text = GENERATOR.partition("        return [drafted")[0] + "        return []\n"
    (mine / "mine" / "riddles.py").write_text(text, "utf-8")
    at = ("--model", "local", "--base-url", endpoint.base_url)
    done = datagen("mine.riddles", "-n", "3", "-o", "out", "--stall", "5", *at)
    assert done.returncode == 4, done.stderr
    assert "the last 5 requests kept nothing (0 of 3 rows so far; no row came of them)" in done.stderr


def test_a_name_that_is_no_module_is_one_line(datagen: Callable[..., Any], mine: Path) -> None:
    done = datagen("mine.nowhere", "rows.jsonl", "-o", "out")
    assert (done.returncode, done.stderr) == (2, "datagen: there is no step 'mine.nowhere': cannot import mine.nowhere\n")
    done = datagen("rows.jsonl", "-o", "out")
    assert (done.returncode, done.stderr) == (2, done.stderr) and "there is no command 'rows.jsonl'; known:" in done.stderr


def test_a_new_file_among_the_kinds_is_a_command_in_a_copy_of_the_package(tmp_path: Path) -> None:
    import shutil
    import subprocess

    package = Path(calls.__file__).parent
    shutil.copytree(package, tmp_path / "datagen", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "datagen" / "kinds" / "shout.py").write_text(f'"""Say the answers of rows louder."""\n{TEACHER}', "utf-8")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    program = (
        "import datagen as dg, inspect, json\n"
        "print(json.dumps([str(inspect.signature(dg.shout).parameters['marks']), 'exclamation marks' in dg.shout.__doc__]))"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=env, check=True, cwd=tmp_path)
    assert json.loads(told.stdout) == ["marks: int = 1", True]
    for args, words in (("--help", "shout          Say the answers of rows louder."), ("shout --help", "--marks N")):
        run = [sys.executable, "-m", "datagen", *args.split()]
        done = subprocess.run(run, capture_output=True, text=True, env=env, check=True, cwd=tmp_path)
        assert words in done.stdout


@pytest.mark.parametrize("name", calls.called())
def test_the_function_the_command_and_the_recipe_have_the_same_options(name: str) -> None:
    from datagen.backtranslation import Backtranslation
    from datagen.cli import datagen as group

    command = group.get_command(None, name.replace("_", "-"))  # type: ignore[arg-type]
    assert command is not None
    of_a_run = {"out", "estimate", "probes", "fresh", "as_json", "dry_run", "mapping", "roles", "split", "encoding", "help"}
    flags = {p.name for p in command.params if p.name} - of_a_run
    arguments = set(inspect.signature(calls.function(name)).parameters) - of_a_run
    cls: type[Any] = Backtranslation if name == "backtranslate" else find(name, Kind)
    options = {o.name for o in listed(cls)} - of_a_run
    reads = {"rows", "documents", "limit"}  # arguments, and what a run reads of its input
    assert flags - reads == arguments - reads
    assert options - reads <= flags
    if name != "backtranslate":  # it has options of several steps
        assert options - reads == flags - reads
    assert all(o.meaning for o in listed(cls))


def test_a_format_of_ones_own_is_a_module_with_its_record(mine: Path, datagen: Callable[..., Any]) -> None:
    (mine / "mine" / "pairs.py").write_text(
        "from datagen.formats.format import Format\n\n"
        "FORMAT = Format('pairs', lambda row: {'q': row['instruction'], 'a': row['output']}, flat=True, one_answer=True)\n"
    )
    assert datagen("export", "rows.jsonl", "--to", "mine.pairs", "-o", "made.jsonl").returncode == 0
    assert (mine / "made.jsonl").read_text() == '{"q": "Name a river.", "a": "The Mekong."}\n'
    assert datagen("export", "rows.jsonl", "--to", "mine.pairs", "-o", "made.csv").returncode == 0
    assert (mine / "made.csv").read_text() == "q,a\nName a river.,The Mekong.\n"
    wrong = datagen("export", "rows.jsonl", "--to", "mine.shout")
    assert (wrong.returncode, wrong.stderr) == (
        2, "datagen: --to mine.shout: mine.shout gives no FORMAT = Format(name, record or write)\n"
    )  # fmt: skip


def test_a_limit_of_documents_or_pairs_is_the_steps_own(
    tmp_path: Path, endpoint: LocalEndpoint, write_jsonl: Any, datagen: Callable[..., Any]
) -> None:
    page = {"text": "A garden needs water every morning, because the sun dries the soil. " * 5}
    write_jsonl("pages.jsonl", page, {"text": page["text"].replace("garden", "field")})
    done = datagen(
        "backtranslate", "pages.jsonl", "-o", "pages", "--limit", "1", "--min-score", "1", "--model", "local", "--base-url",
        endpoint.base_url,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "pages" / "run.json").read_text())["stages"][0]["documents"] == 1
    write_jsonl("pairs.jsonl", {"en": "Good morning.", "th": "สวัสดีตอนเช้า"}, {"en": "Good night.", "th": "ราตรีสวัสดิ์"})
    done = datagen("from-pairs", "pairs.jsonl", "-o", "pairs", "--source", "en", "--target", "th", "--limit", "1")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "pairs" / "run.json").read_text())["stages"][0]["pairs"] == 1


def test_a_step_of_ones_own_is_a_command_over_rows(mine: Path, datagen: Callable[..., Any]) -> None:
    told = datagen("mine.count", "--help").stdout
    assert "--before TEXT" in told and "--estimate" not in told  # it asks no model
    done = datagen("mine.count", "rows.jsonl", "-o", "out", "--before", "here: ")
    assert done.returncode == 0, done.stderr
    assert (mine / "out" / "count.txt").read_text() == "here: 1"
    assert dg.function("mine.count")("rows.jsonl", mine / "out", before="there: ").summary["rows_kept"] == 1
    assert (mine / "out" / "count.txt").read_text() == "there: 1"


def test_a_doer_that_returns_no_work_is_one_line(mine: Path, datagen: Callable[..., Any]) -> None:
    text = STEP.replace("    return Work(", "    Work(")
    (mine / "mine" / "count.py").write_text(text, "utf-8")
    done = datagen("mine.count", "rows.jsonl", "-o", "out")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2, "datagen: step 'mine.count': mine.count:count returned NoneType; it must return a datagen.work.Work"
    )  # fmt: skip


@pytest.mark.parametrize("option", ["out", "help", "limit", "json", "as_json"])
def test_an_option_that_has_the_name_of_a_flag_is_one_line(mine: Path, datagen: Callable[..., Any], option: str) -> None:
    (mine / "mine" / "count.py").write_text(STEP.replace("    before: str", f"    {option}: str"), "utf-8")
    done = datagen("mine.count", "rows.jsonl", "-o", "out")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"its option '{option}' has the name of a flag of the command; call it otherwise" in done.stderr


@pytest.mark.parametrize("gives", ["None", "3", "[3]", "[[3]]", "['ab']"])
def test_what_a_generator_of_ones_own_gives_wrongly_is_a_ledger_row_and_ends_the_run(
    mine: Path, endpoint: LocalEndpoint, datagen: Callable[..., Any], gives: str
) -> None:
    text = GENERATOR.partition("        return [drafted")[0] + f"        return {gives}\n"
    (mine / "mine" / "riddles.py").write_text(text, "utf-8")
    at = ("--model", "local", "--base-url", endpoint.base_url)
    done = datagen("mine.riddles", "-n", "3", "-o", "out", "--stall", "3", *at)
    assert done.returncode == 3, done.stderr
    lost = read_all(mine / "out" / "dropped").to_pylist()
    assert len(lost) == 3 and {row["reason"] for row in lost} == {"error"}
    assert all("TypeError" in row["evidence"] for row in lost)
    stopped = json.loads((mine / "out" / "run.json").read_text())["stages"][0]["stopped"]
    assert "the last 3 requests kept nothing" in stopped["message"]


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("lambda row: None", "the record of a row is a dict, not None"),
        ("lambda row: [1]", "the record of a row is a dict, not [1]"),
        ("lambda row: 1 / 0", "broke: ZeroDivisionError: division by zero"), ("lambda row: exit(3)", "broke: SystemExit: 3"),
    ],
)  # fmt: skip
def test_what_a_format_of_ones_own_gives_wrongly_is_one_line_and_leaves_no_file(
    mine: Path, datagen: Callable[..., Any], record: str, said: str
) -> None:
    text = f"from datagen.formats.format import Format\n\nFORMAT = Format('pairs', {record}, flat=True)\n"
    (mine / "mine" / "pairs.py").write_text(text)
    for name in ("made.jsonl", "made.csv"):
        done = datagen("export", "rows.jsonl", "--to", "mine.pairs", "-o", name)
        assert done.returncode == 3 and done.stderr.count("\n") == 1, done.stderr
        assert "datagen: --to pairs: " in done.stderr and said in done.stderr
    assert {p.name for p in mine.iterdir()} == {"mine", "rows.jsonl"}


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: dg.filter("rows.jsonl", out=3), "out is a path, not 3"),
        (lambda: dg.filter("rows.jsonl", out="o", mapping="a"), "reading, option 'mapping': 'a' is not name=value"),
        (lambda: dg.filter("rows.jsonl", out="o", limit="few"), "reading, option 'limit': 'few' is not a whole number"),
        (lambda: dg.filter("rows.jsonl", out="o", mapping={1: 2}), "mapping must be a map of names"),
        (lambda: dg.answer("rows.jsonl", None), "out is a path, not None"),
        (lambda: dg.mix("rows.jsonl", "o"), "sources is a map of names to rows, not str"),
        (lambda: dg.from_pairs(3, "o"), "what is read is a path, not 3"),
        (lambda: dg.answer("rows.jsonl", "o", extra_body={1: 2}), "extra_body: 1 is no name of a parameter"),
        (lambda: dg.write("rows.jsonl", "alpaca", None), "target is a path, not None"),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_one_line_in_python_too(mine: Path, call: Callable[[], Any], said: str) -> None:
    with pytest.raises(DatagenError, match=re.escape(said)):
        call()
    assert {p.name for p in mine.iterdir()} == {"mine", "rows.jsonl"}


def test_a_list_given_twice_is_both_and_what_stands_once_is_the_last(
    mine: Path, endpoint: LocalEndpoint, datagen: Callable[..., Any]
) -> None:
    at = ("--model", "local", "--base-url", endpoint.base_url, "-n", "1")
    done = datagen("mine.riddles", "-o", "out", "--rules", "length", "--rules", "keywords", "--stall", "3", "--stall", "9", *at)
    assert done.returncode == 0, done.stderr
    options = json.loads((mine / "out" / "run.json").read_text())["stages"][0]["options"]
    assert (options["rules"], options["stall"]) == (["length", "keywords"], 9)
    (mine / "other.jsonl").write_text('{"question": "Name a river.", "answer": "The Mekong."}\n')
    done = datagen("export", "other.jsonl", "--to", "alpaca", "--map", "instruction=question", "--map", "output=answer")
    assert json.loads(done.stdout) == {"instruction": "Name a river.", "output": "The Mekong."}
