"""How commands end: what was made, and what to do next, which works as it is printed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from local_endpoint import LocalEndpoint

from datagen.cli.endings import after, beside, made

THINGS = ("river", "mountain", "teacher", "winter", "garden", "copper", "violin", "bridge", "island", "market")
ROWS = [{"instruction": f"Explain to a child what a {t} is.", "output": f"People have long known a {t}."} for t in THINGS]
EMPTY = {"instruction": "Say nothing.", "output": ""}

Command = Callable[..., Any]


def printed(stdout: str, label: str = "next") -> list[str]:
    """The words after `datagen` of the command that an output ends with."""
    line = next(line for line in stdout.splitlines() if line.strip().startswith(f"{label}: datagen "))
    return shlex.split(line.strip().removeprefix(f"{label}: datagen "))


def test_from_numbers_to_an_export_by_what_is_printed(
    datagen: Command, write_jsonl: Callable[..., Path], tmp_path: Path
) -> None:
    write_jsonl("my rows.jsonl", *ROWS, EMPTY)
    done = datagen("stats", "my rows.jsonl")
    assert done.stdout.splitlines()[-1] == "next: datagen filter 'my rows.jsonl' -o 'my rows-filtered'"
    done = datagen(*printed(done.stdout))
    assert done.returncode == 0
    went = next((tmp_path / "my rows-filtered" / "dropped").iterdir())
    import pyarrow.parquet as pq

    gone = pq.read_table(went).column("id")[0].as_py()[:12]
    assert done.stdout.splitlines()[-5:] == [
        "rows: my rows-filtered/kept   drops: my rows-filtered/dropped",
        "report: my rows-filtered/report.html",
        f"why a row went: datagen explain 'my rows-filtered' {gone}",
        "next: datagen train 'my rows-filtered' -o 'my rows-filtered-trained'",
        "  or: datagen export 'my rows-filtered' --to messages -o 'my rows-filtered-rows.jsonl'",
    ]
    assert datagen(*printed(done.stdout, "why a row went")).stdout.startswith(f"{gone}")
    done = datagen(*printed(done.stdout, "or"))
    assert done.stdout.splitlines()[-1] == "next: datagen stats 'my rows-filtered-rows.jsonl'"
    done = datagen(*printed(done.stdout))
    assert done.stdout.startswith("10 rows\n")


def test_an_estimate_a_generator_and_its_filter_by_what_is_printed(datagen: Command, endpoint: LocalEndpoint) -> None:
    command = ["self-instruct", "-n", "4", "--model", "local", "--base-url", endpoint.base_url, "-o", "runs/new"]
    env = {"OPENAI_API_KEY": "none"}
    done = datagen(*command, "--estimate", "--probes", "2", env=env)
    assert printed(done.stdout) == command
    done = datagen(*printed(done.stdout), env=env)
    assert done.stdout.splitlines()[-1] == "next: datagen filter runs/new -o runs/new-filtered"
    assert datagen(*printed(done.stdout)).returncode == 0


def test_the_doctor_names_a_generator_that_works(datagen: Command, endpoint: LocalEndpoint) -> None:
    env = {"OPENAI_API_KEY": "none"}
    done = datagen("doctor", "--base-url", endpoint.base_url, "--model", "local", env=env)
    words = f"self-instruct --method alpaca -n 100 -o tasks --estimate --model local --base-url {endpoint.base_url}"
    assert printed(done.stdout) == words.split()
    assert datagen(*printed(done.stdout), env=env).returncode == 0


def test_a_comparison_ends_with_a_row_that_differs(datagen: Command, write_jsonl: Callable[..., Path]) -> None:
    write_jsonl("rows.jsonl", *ROWS, EMPTY)
    datagen("filter", "rows.jsonl", "-o", "a", "--stage", "rules")
    datagen("filter", "rows.jsonl", "-o", "b", "--stage", "rules:use=template_remnant")
    differs = datagen("diff", "a", "b")
    explained = datagen(*printed(differs.stdout))
    assert explained.returncode == 0 and "Say nothing." in explained.stdout
    assert datagen("diff", "a", "a").stdout.splitlines()[-2:] == [
        "next: datagen train a -o a-trained",
        "  or: datagen export a --to messages -o a-rows.jsonl",
    ]
    for command in (("diff", "a", "b"), ("stats", "a"), ("filter", "-o", "a"), ("report", "a")):
        alone = datagen(*command, *(["--json"] if command[0] != "report" else []))
        assert alone.stdout.startswith("report: ") or json.loads(alone.stdout)


def test_a_review_goes_on_and_then_to_training(datagen: Command, write_jsonl: Callable[..., Path], tmp_path: Path) -> None:
    write_jsonl("rows.jsonl", *ROWS)
    dry = datagen("filter", "rows.jsonl", "--stage", "rules", "-o", "a", "--dry-run")
    assert datagen(*printed(dry.stdout)).returncode == 0
    done = datagen("review", "a", "--sample", "2", "--csv", "two.csv")
    assert printed(done.stdout) == ["review", "a", "--from-csv", "two.csv"]
    again = datagen(*printed(done.stdout)).stdout.splitlines()[-1]  # nothing was filled in yet
    assert again == "fill in `decision` of the rows left in two.csv, and give this command again"
    lines = (tmp_path / "two.csv").read_text("utf-8-sig").splitlines()
    filled = [line.replace(",,,", ",accept,,", 1) for line in lines]
    (tmp_path / "two.csv").write_text("".join(f"{line}\n" for line in filled), "utf-8-sig")
    done = datagen(*printed(done.stdout))
    assert done.stdout.splitlines()[-2:] == [
        "rows: a/review/kept   rejected: a/review/dropped",
        "next: datagen train a/review/kept -o a-trained",
    ]


def test_what_comes_after_training(capsys: pytest.CaptureFixture[str]) -> None:
    trained = {"training": {"adapter": "adapter"}, "options": {"eval": None, "direction": "forward"}}
    after("runs/t", trained)
    after("runs/t/", {**trained, "options": {"eval": "held.jsonl"}})
    after("runs/t", {"training": {"adapter": "model"}, "options": {"eval": None, "direction": "backward"}})
    assert capsys.readouterr().out.splitlines() == [
        "next: datagen answer runs/t --limit 3 --model runs/t/adapter -o runs/t-answers",
        "next: datagen answer held.jsonl --limit 3 --model runs/t/adapter -o runs/t-answers",
        "next: datagen doctor --model runs/t/model",
    ]


def test_a_folder_beside_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert beside(".", "trained") == "../here-trained"
    assert beside("./x/", "trained") == "x-trained"


def test_places_stand_on_lines_of_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    made(rows="a/kept", drops="a/dropped", report="a/report.html")
    made(rows="a" * 60, drops="b" * 20, report="c" * 100)
    made()
    assert capsys.readouterr().out.splitlines() == [
        "rows: a/kept   drops: a/dropped   report: a/report.html",
        f"rows: {'a' * 60}",
        f"drops: {'b' * 20}",
        f"report: {'c' * 100}",
    ]


@pytest.mark.slow
def test_an_adapter_answers_by_what_is_printed(
    datagen: Command, write_jsonl: Callable[..., Path], tiny_dir: Path, tmp_path: Path
) -> None:
    write_jsonl("rows.jsonl", *ROWS[:2])
    done = datagen("train", "rows.jsonl", "-o", "out", "--steps", "1", "--model", tiny_dir)
    assert "adapter: out/adapter" in done.stdout.splitlines()
    done = datagen(*printed(done.stdout), "--max-output-tokens", "8")
    assert done.returncode == 0
    assert (tmp_path / "out-answers" / "run.json").is_file()


def test_a_folder_that_begins_with_a_dash_is_printed_as_a_path(datagen: Any, write_jsonl: Any) -> None:
    write_jsonl("rows.jsonl", {"instruction": "Name a colour.", "output": "Red."}, {"instruction": "Say.", "output": ""})
    told = datagen("filter", "rows.jsonl", "-o", "-out", "--stage", "rules").stdout
    [line] = [line for line in told.splitlines() if line.startswith("why a row went: ")]
    assert datagen(*line.split()[5:]).stdout.count("dropped by rules: empty_answer") == 1
    assert "next: datagen train ./-out -o ./-out-trained" in told
