"""The command line: what it prints, and one line and the right exit code for everything that can go wrong."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from datagen import stage, step
from datagen.cli import COMMANDS
from datagen.data.shards import SHARD_ROWS, iterate_rows
from datagen.formats.read import read
from datagen.options import listed

ROWS = [
    {"instruction": "Name the capital of France.", "output": "Paris"},
    {"instruction": "Name the capital of France.", "output": "Paris"},
    {"instruction": "List the first five prime numbers in rising order.", "output": "2, 3, 5, 7, 11"},
    {"instruction": "Please list the first five prime numbers in rising order.", "output": "2, 3, 5, 7, 11"},
    {"instruction": "Write a haiku about rain.", "output": " "},
    {"instruction": "请写出法国的首都的名字。", "input": "欧洲", "output": "巴黎"},
]
FORMATS = ["alpaca", "sharegpt", "messages", "prompt_completion", "llamafactory", "axolotl", "openai", "parquet"]


@pytest.fixture
def source(write_jsonl: Callable[..., Path]) -> Path:
    return write_jsonl("rows.jsonl", *ROWS)


@pytest.fixture
def finished(source: Path, datagen: Callable[..., Any], tmp_path: Path) -> Path:
    """A finished run of ROWS."""
    assert datagen("filter", source, "-o", "out").returncode == 0
    return tmp_path / "out"


@pytest.mark.slow
def test_every_help_page_is_at_most_80_columns_wide_and_loads_nothing_heavy(datagen_process: Callable[..., Any]) -> None:
    for args in ([], *([name] for name in COMMANDS)):
        done = datagen_process(*args, "--help", env={"PYTHONPROFILEIMPORTTIME": "1"})
        assert done.returncode == 0, args
        assert max(map(len, done.stdout.splitlines())) <= 80, args
        assert done.stdout.startswith("Usage: ")
        loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "click" in loaded
        assert not loaded & {"torch", "transformers", "ray", "openai", "pandas", "numba", "pyarrow"}, args


def test_the_bare_command_shows_the_help(datagen: Callable[..., Any]) -> None:
    assert datagen().stdout == datagen("--help").stdout


FAULTS: list[tuple[str, int, str]] = [
    # arguments, exit code, what the line says
    ("filtre rows.jsonl -o new", 2, "there is no command 'filtre'; did you mean 'filter'?"),
    ("filter rows.jsonl -o new --stge rules", 2, "--stge"),
    ("filter rows.jsonl -o new --stage rogue", 2, "'rogue'; did you mean 'rouge'?"),
    ("filter rows.jsonl -o new --stage no.such.module", 2, "there is no stage 'no.such.module'"),
    ("filter rows.jsonl -o new --stage os.path", 2, "defines 0 subclasses of Stage"),
    ("filter rows.jsonl -o new --stage rouge:treshold=1", 2, "no option 'treshold'; did you mean 'threshold'?"),
    ("filter rows.jsonl -o new --stage rouge:threshold", 2, "'threshold' is not option=value"),
    ("filter rows.jsonl -o new --stage rouge:threshold=abc", 2, "'abc' is not a number"),
    ("filter rows.jsonl -o new --stage rouge:threshold=7", 2, "threshold must be at least 0 and below 1"),
    ("filter rows.jsonl -o new --set rogue.threshold=1", 2, "there is no step 'rogue'"),
    ("filter rows.jsonl -o new --set rouge", 2, "expected STEP.option=value"),
    ("filter rows.jsonl -o new --limit 0", 2, "limit must be 1 or more"),
    ("filter rows.jsonl -o new --map instruction", 2, "'instruction' is not name=value"),
    ("filter rows.jsonl -o new --map colour=red", 2, "'colour' is no field to map to"),
    ("filter rows.jsonl -o new --map instruction=question", 3, "no record has the mapped field 'question'"),
    ("filter rows.jsonl", 2, "-o OUT"),
    ("filter -o new", 2, "needs something to read"),
    ("filter rows.jsonl -o rows.jsonl", 2, "rows.jsonl is a file; -o names a folder"),
    ("filter rows.jsonl -o rows.jsonl/new", 2, "cannot make the folder rows.jsonl/new"),
    ("filter rows.json -o new", 3, "no such file or directory: rows.json; did you mean 'rows.jsonl'?"),
    ("filter rows.jsonl -o new --recipe no.yaml", 3, "no such recipe: no.yaml"),
    ("filter -o new --recipe trains.yaml", 2, "filter takes stages only, not 'train'"),
    ("run no.yaml -o new", 3, "no such recipe: no.yaml"),
    ("run broken.yaml -o new", 2, "broken.yaml: not valid YAML: "),
    ("run key.yaml -o new", 2, "key.yaml: unknown key 'stpes'; did you mean 'steps'?"),
    ("run option.yaml -o new", 2, "option.yaml: stage 'rouge' has no option 'treshold'; did you mean 'threshold'?"),
    ("run input.yaml -o new", 2, "input.yaml: input must be a path or a list of paths, not 5"),
    ("run map.yaml -o new", 2, "map.yaml: map must be a map"),
    ("run list.yaml -o new", 2, "list.yaml: a recipe is a map"),
    ("mix rows.jsonl -o new", 2, "'rows.jsonl' is not NAME=PATH"),
    ("mix a=rows.jsonl -o new --method even", 2, "'even' is not one of proportional, temperature, equal, weights"),
    ("mix a=rows.jsonl -o new --weights b=1", 2, "'b', which is not a source"),
    ("mix a=no.jsonl -o new", 3, "no such file or directory: no.jsonl"),
    ("self-instruct -n 0 -o new", 2, "n must be 1 or more, not 0"),
    ("self-instruct -n 1 -o new --language de", 2, "'de' is not one of en, zh, th"),
    ("self-instruct -n 1 -o new --model none --base-url nowhere", 2, "'nowhere' is not a URL"),
    ("self-instruct -n 1 -o new --model none", 4, "there is no local model 'none', and OpenAI needs a key"),
    ("self-instruct -n 1 -o new --seeds no.jsonl", 3, "no such file or directory: no.jsonl"),
    ("train no.jsonl -o new", 3, "no such file or directory: no.jsonl"),
    ("export rows.jsonl --to alpca", 2, "there is no such format; did you mean 'alpaca'?"),
    ("export no.jsonl --to alpaca -o new", 3, "no such file or directory: no.jsonl"),
    ("explain new abc", 3, "new is no folder"),
    ("report new", 3, "new is not a finished run"),
]


def test_everything_that_can_go_wrong_is_one_line_and_leaves_nothing_behind(
    datagen: Callable[..., Any], source: Path, tmp_path: Path
) -> None:
    recipes = {
        "broken": "steps: [", "key": "stpes: []\nsteps: [rules]\ninput: a", "list": "- rules",
        "input": "input: 5\nsteps: [rules]",
        "option": "input: rows.jsonl\nsteps: [rouge: {treshold: 1}]", "map": "input: rows.jsonl\nmap: 3\nsteps: [rules]",
        "trains": "input: rows.jsonl\nsteps: [rules, train: {}]",
    }  # fmt: skip
    for name, text in recipes.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    before = sorted(tmp_path.iterdir())
    for line, expected, says in FAULTS:
        done = datagen(*line.split())
        code, printed, complained = done.returncode, done.stdout, done.stderr
        assert code == expected, (line, complained)
        assert complained.startswith("datagen: ") and complained.count("\n") == 1, (line, complained)
        assert says in complained, (line, complained)
        assert printed == "", line
        assert sorted(tmp_path.iterdir()) == before, f"{line}: something was left behind"


@pytest.mark.parametrize("fault", [FAULTS[0], FAULTS[1], FAULTS[13], FAULTS[14]], ids=lambda f: f[0])
def test_a_real_process_ends_with_the_same_line_and_code(
    fault: tuple[str, int, str], datagen_process: Callable[..., Any], source: Path, tmp_path: Path
) -> None:
    line, code, says = fault
    done = datagen_process(*line.split())
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
    assert done.stderr.startswith("datagen: ") and says in done.stderr
    assert list(tmp_path.iterdir()) == [source]


def test_a_model_that_is_not_there_is_one_line(datagen_process: Callable[..., Any], source: Path, tmp_path: Path) -> None:
    done = datagen_process("train", source, "-o", "out", "--model", "none/such", env={"HF_HUB_OFFLINE": "1"})
    assert done.returncode == 4
    assert done.stderr.startswith("datagen: no such model: 'none/such'") and done.stderr.count("\n") == 1
    assert not [p for p in (tmp_path / "out").glob("*") if p.name in ("run.json", "adapter", "kept")]


def test_the_table_shows_every_stage_with_its_reasons_in_80_columns(datagen: Callable[..., Any], source: Path) -> None:
    done = datagen("filter", source, "-o", "out")
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].split() == ["stage", "in", "kept", "dropped", "seconds", "reasons"]
    cells = [line.split() for line in lines[1:]]
    assert [c[:4] for c in cells if c[0] in ("input", "rules", "minhash", "rouge", "all")] == [
        ["input", "6", "5", "1"],
        ["rules", "5", "4", "1"],
        ["minhash", "4", "3", "1"],
        ["rouge", "3", "3", "0"],
        ["all", "6", "3", "3"],
    ]
    assert cells[0][-2:] == ["exact_duplicate", "1"]
    assert done.stderr == ""


def test_what_could_not_be_read_is_said_by_kind_with_the_first_of_each(
    datagen: Callable[..., Any], write_jsonl: Callable[..., Path]
) -> None:
    talk = [{"role": "narrator", "content": "天黑了"}, {"role": "assistant", "content": "ราตรีสวัสดิ์"}]
    good = {"instruction": "Say A.", "output": "A"}
    write_jsonl("in.jsonl", good, "[1]", '{"cut":', good, '{"also": cut', {"messages": talk}, *["[2]"] * 3)
    done = datagen("filter", "in.jsonl", "-o", "out", "--stage", "rules")
    told = [line.strip() for line in done.stdout.splitlines() if "not read" in line]
    assert [line.partition(": line ")[2].partition(":")[0] for line in told] == ["2", "3", "6"]
    assert "found a list" in told[0] and told[0].endswith(": [1] (4 such)")
    assert told[1].endswith("(2 such)") and "narrator" in told[2]
    assert "exact_duplicate 1" in done.stdout


def test_json_is_the_run_on_one_line(datagen: Callable[..., Any], source: Path, tmp_path: Path) -> None:
    done = datagen("filter", source, "-o", "out", "--json")
    told = json.loads(done.stdout)
    assert done.stdout.count("\n") == 1
    assert (told["folder"], told["worked"], told["rows_kept"]) == ("out", True, 3)
    assert told.items() >= json.loads((tmp_path / "out" / "run.json").read_text()).items()
    assert {s["name"] for s in json.loads(datagen("stages", "--json").stdout)} >= {"rules", "minhash", "rouge"}


def test_stages_lists_every_stage_with_its_options_and_reasons(datagen: Callable[..., Any]) -> None:
    text = datagen("stages").stdout
    for word in ("minhash", "rouge", "rules", "threshold=0.7", "near_duplicate", "too_similar", "empty_answer"):
        assert word in text


def test_a_stage_says_what_each_of_its_options_means(datagen: Callable[..., Any]) -> None:
    for name in stage.names():
        told = datagen("stages", name).stdout
        assert all(len(line) <= 80 for line in told.splitlines())
        cls = stage.find(name)
        missing = [o.name for o in listed(cls) if not o.meaning]
        assert not missing, (name, missing)
        assert all(f"  {f.name}=" in told for f in fields(cls))
    assert "Jaccard similarity, 0..1; at or above is a duplicate" in " ".join(datagen("stages", "minhash").stdout.split())
    done = datagen("stages", "minhahs")
    assert (done.returncode, done.stderr) == (2, "datagen: there is no step 'minhahs'; did you mean 'minhash'?\n")


@pytest.mark.parametrize("name", step.names("datagen.kinds"))
def test_every_other_kind_of_step_says_what_it_does_too(datagen: Callable[..., Any], name: str) -> None:
    told = datagen("stages", name).stdout
    assert all(len(line) <= 80 for line in told.splitlines())
    assert all(f"  {o.name}=" in told for o in listed(step.find(name, step.Kind)))
    assert datagen("stages", name.replace("_", "-")).stdout == told
    assert name in datagen("stages").stdout
    reasons = " ".join(told.partition("\nreasons: ")[2].split()).split(", ")
    assert ("rule_length" in reasons) == (name in ("magpie", "self_instruct"))
    assert reasons[-1] == "error"
    assert {"answer": "cut_off", "translate": "wrong_language", "train": "error"}.get(name, "error") in reasons


def test_a_stage_of_ones_own_shows_what_it_requires(datagen: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "my").mkdir()
    (tmp_path / "my" / "mine.py").write_text(
        "from dataclasses import dataclass\nfrom datagen.options import option\nfrom datagen.stage import Stage\n\n"
        "@dataclass(frozen=True)\nclass Mine(Stage):\n    most: int = option(meaning='words')\n"
        "    names: tuple[str, ...] = option(factory=lambda: ('a', 'b'), meaning='of it')\n"
    )
    told = json.loads(datagen("stages", "my.mine", "--json").stdout)[0]
    assert told["options"] == {"most": "(required)", "names": ["a", "b"]}
    assert told["meaning"] == {"most": "words", "names": "of it"}
    assert "  most=(required)\n      words\n  names=a,b\n      of it\n" in datagen("stages", "my.mine").stdout


def test_a_dry_run_shows_the_plan_and_writes_nothing(datagen: Callable[..., Any], source: Path, tmp_path: Path) -> None:
    before = list(tmp_path.iterdir())
    done = datagen("filter", source, "-o", "out", "--dry-run", "--stage", "rouge:threshold=0.5")
    assert done.returncode == 0
    assert "1 file" in done.stdout and "Name the capital of France. -> Paris" in done.stdout
    assert "rouge: threshold=0.5" in done.stdout and "nothing was written" in done.stdout
    assert list(tmp_path.iterdir()) == before


@pytest.mark.parametrize("to", FORMATS)
def test_a_run_exported_to_any_format_is_read_back_as_the_same_rows(
    to: str, datagen: Callable[..., Any], finished: Path, tmp_path: Path
) -> None:
    name = f"rows.{'parquet' if to == 'parquet' else 'jsonl'}"
    done = datagen("export", finished, "--to", to, "-o", f"exported/{name}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 records -> ")
    columns = ("instruction", "output") if to in ("alpaca", "llamafactory", "parquet") else ("output",)
    kept = [tuple(r[c] for c in columns) for r in iterate_rows(finished / "kept")]
    assert [tuple(r[c] for c in columns) for r in read(str(tmp_path / "exported" / name))] == kept


def test_explain_shows_a_fate_and_the_witness_beside_it(datagen: Callable[..., Any], finished: Path) -> None:
    [row] = [r for r in iterate_rows(finished / "dropped") if r["reason"] == "near_duplicate"]
    done = datagen("explain", "out", row["id"][:8])
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"{row['id']}  dropped by minhash: near_duplicate  score 0.")
    assert "(threshold 0.7)" in lines[0]
    assert f"  witness {row['witness_id']}  kept" in lines
    assert any("Please list the first five" in line for line in lines)
    assert lines[1] == "  The row shares most of its shingles with a row that stayed, its witness."
    assert lines[2] == "  To keep such rows: Raise `threshold`, or compare less with `field`."
    [told] = json.loads(datagen("explain", "out", row["id"], "--json").stdout)
    assert told["witness"][0]["id"] == row["witness_id"]


def test_explain_refuses_an_ambiguous_prefix_and_an_id_that_is_not_there(datagen: Callable[..., Any], finished: Path) -> None:
    ambiguous, unknown = datagen("explain", "out", ""), datagen("explain", "out", "zz")
    assert (ambiguous.returncode, unknown.returncode) == (2, 3)
    assert ambiguous.stderr.startswith("datagen: '' begins 5 ids, such as ")
    assert unknown.stderr == "datagen: out has no row whose id begins with 'zz'\n"


def test_the_report_is_written_again(datagen: Callable[..., Any], finished: Path) -> None:
    page = (finished / "report.html").read_bytes()
    (finished / "report.html").unlink()
    assert datagen("report", "out").stdout.startswith("report: out/report.html\nnext: datagen ")
    assert (finished / "report.html").read_bytes() == page


@pytest.mark.slow
def test_ctrl_c_is_one_line_and_the_same_command_goes_on(
    tmp_path: Path, datagen: Callable[..., Any], clean_environment: dict[str, str]
) -> None:
    with (tmp_path / "big.jsonl").open("w") as f:
        for i in range(SHARD_ROWS + 10):  # two shards, so that a pool of processes is at work
            f.write(json.dumps({"instruction": f"Say {i}.", "output": f"{i}."}) + "\n")
    command = ["filter", "big.jsonl", "-o", "out", "--stage", "rules"]
    running = subprocess.Popen(
        [sys.executable, "-m", "datagen", *command], cwd=tmp_path, env=clean_environment, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    while not (tmp_path / "out" / "01-rules" / "scores").exists() and running.poll() is None:
        time.sleep(0.01)
    time.sleep(0.3)  # the workers are starting
    os.killpg(running.pid, signal.SIGINT)  # as the terminal does: every process of the group
    said, complained = running.communicate(timeout=120)
    assert running.returncode == 130
    assert said == ""
    assert complained.splitlines()[-1] == "datagen: stopped; everything finished so far is saved, the same command goes on"
    done = datagen(*command)
    assert done.returncode == 0
    stamp = (tmp_path / "out" / "00-input" / "_done.json").stat().st_mtime_ns
    assert (tmp_path / "out" / "run.json").stat().st_mtime_ns > stamp


def test_what_an_export_leaves_out_is_said_with_its_line_and_reason(
    datagen: Callable[..., Any], write_jsonl: Callable[..., Path]
) -> None:
    write_jsonl("in.jsonl", ROWS[0], "{oops", ROWS[2], '"说"', "[1]", '{"colour": "red"}')
    done = datagen("export", "in.jsonl", "--to", "alpaca", "-o", "out.jsonl")
    assert (done.returncode, done.stderr.count("\n")) == (0, 5)
    for said in (
        "4 pieces of the input could not be read",
        "in.jsonl: line 2: not JSON",
        "in.jsonl: line 4: expected an object",
        "in.jsonl: line 5: expected an object",
        "1 more; dropped/ of `datagen filter` has each",
    ):
        assert said in done.stderr
    done = datagen("stats", "in.jsonl")
    assert "not read: in.jsonl: line 2: not JSON" in done.stderr


@pytest.mark.parametrize("content", ["", "[]", "instruction,output\n", "\0" * 100, '{"instruction": "a", "outp'])
@pytest.mark.parametrize("command", ["export", "filter", "plan"])
def test_an_input_without_rows_is_one_line_and_exit_code_3(
    datagen: Callable[..., Any], tmp_path: Path, content: str, command: str
) -> None:
    (tmp_path / "in.jsonl").write_text(content)
    words = {
        "export": ("export", "in.jsonl", "--to", "alpaca", "-o", "out"), "filter": ("filter", "in.jsonl", "-o", "out"),
        "plan": ("filter", "in.jsonl", "-o", "out", "--dry-run"),
    }[command]  # fmt: skip
    done = datagen(*words)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert "datagen: in.jsonl: " in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["in.jsonl"]
