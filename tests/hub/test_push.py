"""`datagen push`: what goes, what its card says, and what a hub of this machine holds afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from local_hub import LocalHub

from datagen.hub.staging import staged

ROWS = [
    {"instruction": f"Name a thing that is like number {n}.", "output": f"A thing like {n} is a wheel.", "license": "CC0"}
    for n in range(20)
]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("HF_TOKEN", "hf_mine")
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with LocalHub(tmp_path / "hub") as made:
        monkeypatch.setenv("HF_ENDPOINT", made.address)
        yield made


@pytest.fixture
def run(datagen: Callable[..., Any], write_jsonl: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Make a run folder of rows, one of them without an answer."""

    def make(*rows: dict[str, Any], out: str = "clean") -> Path:
        write_jsonl("rows.jsonl", *rows, {"instruction": "Say nothing.", "output": ""})
        done = datagen("filter", "rows.jsonl", "-o", out, "--stage", "rules")
        assert done.returncode == 0, done.stderr
        return tmp_path / out

    return make


def command(*words: Any, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process: the hub's client reads its environment when it is imported."""
    told = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"} | environment
    words_ = [sys.executable, "-m", "datagen", *map(str, words)]
    return subprocess.run(words_, capture_output=True, text=True, env=told, check=False)


def front_of(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return found


def test_a_run_folder_has_a_card_that_names_its_rows_and_no_path(run: Callable[..., Path], tmp_path: Path) -> None:
    out = run(*ROWS)
    card = (out / "README.md").read_text("utf-8")
    configs = [(c["config_name"], c["data_files"]) for c in front_of(card)["configs"]]
    assert configs == [("kept", "kept/*.parquet"), ("dropped", "dropped/*.parquet")]
    assert "20 of 21 rows; 1 were dropped" in card and "| rules | 21 | 20 | empty_answer 1 |" in card
    assert "| rows | 20 | 100.0% | CC0 (20) |" in card and str(tmp_path) not in card and "/" + "root" not in card
    nothing = run(*ROWS[:3], out="nothing_dropped")
    pq.write_table(pq.read_table(nothing / "kept" / "00000.parquet"), tmp_path / "as_it_was.parquet")
    (nothing / "README.md").write_text("my own words")
    run(*ROWS[:5], out="nothing_dropped")
    assert (nothing / "README.md").read_text() == "my own words"


def test_a_run_folder_loads_by_its_configs_and_never_out_of_an_older_cache(run: Callable[..., Path], tmp_path: Path) -> None:
    code = (
        "import sys; from datasets import load_dataset; d = load_dataset(sys.argv[1], sys.argv[2], split='train');"
        "print(d.num_rows, d[0].get('reason'))"
    )
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_DATASETS_CACHE": str(tmp_path / "cache")}

    def loaded(part: str) -> str:
        words = [sys.executable, "-c", code, str(tmp_path / "clean"), part]
        done = subprocess.run(words, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    run(*ROWS)
    assert (loaded("kept"), loaded("dropped")) == ("20 None", "1 empty_answer")
    run(*ROWS[:7])
    assert loaded("kept") == "7 None"


def test_a_dry_run_shows_files_and_card_and_sends_nothing(run: Callable[..., Path], hub: LocalHub) -> None:
    out = run(*ROWS)
    done = command("push", out, "me/clean", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "dataset me/clean: 2 files" in done.stdout and "kept/00000.parquet" in done.stdout
    assert 'load_dataset("me/clean", "kept", split="train")' in done.stdout and "dropped/00000" not in done.stdout
    assert "no licence is said" in done.stderr
    assert not hub.repositories and not hub.commits


def test_rows_are_pushed_in_one_commit_and_shards_that_are_gone_are_deleted(run: Callable[..., Path], hub: LocalHub) -> None:
    out = run(*ROWS)
    done = command("push", out, "me/clean", "--dropped", "--licence", "cc0-1.0", "--private")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"pushed: {hub.address}/datasets/me/clean/commit/{1:040x}"
    made = hub.repositories["datasets/me/clean"]
    assert made.get("private") is True or made.get("visibility") == "private"
    there = hub.files("datasets/me/clean")
    assert sorted(there) == ["README.md", "dropped/00000.parquet", "kept/00000.parquet"]
    assert there["kept/00000.parquet"] == (out / "kept" / "00000.parquet").read_bytes()
    assert front_of(there["README.md"].decode())["license"] == "cc0-1.0"
    again = command("push", out, "me/clean", "--licence", "cc0-1.0")
    assert again.returncode == 0, again.stderr
    assert sorted(hub.files("datasets/me/clean")) == ["README.md", "kept/00000.parquet"] and len(hub.commits) == 2


def test_what_the_hub_refuses_or_nobody_may_see_is_one_line(run: Callable[..., Path], hub: LocalHub, tmp_path: Path) -> None:
    out = run(*ROWS, {"instruction": "Who wrote it?", "output": "Write to jane.doe@gmail.com, please."})
    done = command("push", out, "me/clean")
    assert done.returncode == 2 and "1 of the rows hold personal data" in done.stderr.splitlines()[-1]
    assert not hub.repositories
    assert command("push", out, "me/clean", "--personal-data").returncode == 0
    hub.refuse = True
    done = command("push", out, "me/clean", "--private")
    assert done.returncode == 4 and "the hub refuses me/clean: Forbidden" in done.stderr.splitlines()[-1]
    done = command("push", out, "me/clean", "--private", HF_TOKEN="hf_other")
    assert done.returncode == 4 and "hf_other" not in done.stderr
    done = command("push", out, "me/clean", "--private", HF_TOKEN="", HF_HOME=str(tmp_path / "nobody"))
    assert done.returncode == 2 and "nobody is logged in" in done.stderr
    done = command("push", out, "me/clean", "--private", "--endpoint", "http://127.0.0.1:9")
    assert done.returncode == 4 and "cannot be reached" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("gone", "me/clean"), "gone is no folder"),
        (("clean", "clean"), "'clean' is no name of a repository"),
        (("clean", "me/../etc"), "is no name of a repository"),
        (("clean", "me/clean", "--what", "adapter"), "holds no adapter"),
        (("empty", "me/clean"), "holds no adapter, no model and no kept rows"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, tuple) else "",
)
def test_a_wrong_word_is_one_line_that_names_the_fix(
    words: tuple[str, ...], says: str, run: Callable[..., Path], datagen: Callable[..., Any], tmp_path: Path
) -> None:
    run(*ROWS[:2])
    (tmp_path / "empty").mkdir()
    done = datagen("push", *words, "--dry-run")
    assert done.returncode == 2 and says in done.stderr.splitlines()[-1], done.stderr


def test_an_adapter_is_pushed_with_its_story_and_loads_at_another_home(
    run: Callable[..., Path], datagen: Callable[..., Any], hub: LocalHub, tmp_path: Path
) -> None:
    run(*ROWS)
    done = datagen("train", "clean", "-o", "lora", "--steps", "2", "--batch-size", "2")
    assert done.returncode == 0, done.stderr
    words = ("lora/adapter", "rows.jsonl", "--items", "4", "--measures", "loss")
    assert datagen("eval", *words, "-o", "worth").returncode == 0
    facts = ("--licence", "apache-2.0", "--dataset", "me/clean", "--measured", tmp_path / "worth")
    done = command("push", tmp_path / "lora", "me/tuned", *facts)
    assert done.returncode == 0, done.stderr
    there = hub.files("models/me/tuned")
    card = there["README.md"].decode()
    front = front_of(card)
    assert (front["base_model"], front["license"], front["datasets"]) == (
        "HuggingFaceTB/SmolLM2-135M-Instruct", "apache-2.0", ["me/clean"],
    )  # fmt: skip
    for part in ("## Prompt format", "https://huggingface.co/datasets/me/clean", "| train | 20 | 20 |", "| rows | loss |"):
        assert part in card
    assert str(tmp_path) not in card
    assert all(str(tmp_path).encode() not in data for name, data in there.items() if name.endswith((".json", ".md")))
    home = tmp_path / "another"
    shutil.copytree(tmp_path / "hub" / "models" / "me" / "tuned", home / "tuned")
    shutil.copy(tmp_path / "rows.jsonl", home)
    places = {"HOME": home, "XDG_CACHE_HOME": home / ".cache", "HF_HOME": home / "hf"}
    environment = {**{name: str(place) for name, place in places.items()}, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "datagen", "eval", "tuned", "rows.jsonl", "--items", "4", "--measures", "loss", "-o", "out"],
        cwd=home, env={**os.environ, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ours, theirs = (
        json.loads((place / "run.json").read_text())["stages"][-1]["evaluation"]["numbers"]
        for place in (tmp_path / "worth", home / "out")
    )
    assert [n["value"] for n in ours] == [n["value"] for n in theirs]


def test_a_config_that_names_a_path_of_this_machine_is_refused(tmp_path: Path) -> None:
    from datagen.errors import DataError

    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(tmp_path)}))
    with pytest.raises(DataError, match=r"names the path .* of this machine"):
        staged(tmp_path / "a", "me/tuned")
