"""Sets whose card names subsets, as they lie in a folder that was cloned or downloaded from the Hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from datagen.errors import DataError
from datagen.formats.read import read
from datagen.formats.write import export

NAMES = ("main/train.jsonl", "main/test.jsonl", "socratic/train.jsonl", "socratic/test.jsonl")


def made(folder: Path, configs: str, *names: str) -> str:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps({"instruction": name, "output": "x"}))
    (folder / "README.md").write_text(f"---\nlicense: mit\nconfigs:\n{configs}---\n# Card\n")
    return str(folder)


def found(path: str, **options: str) -> list[str]:
    return [row["instruction"] for row in read(path, **options)]


@pytest.mark.parametrize(
    "configs",
    [
        "- {config_name: default, data_files: main/*}\n- {config_name: socratic, data_files: 'socratic/**'}\n",
        "- {config_name: socratic, data_dir: socratic}\n- {config_name: main, data_dir: ./main/, default: true}\n"
        .replace("./main/", "main/"),
        "- config_name: main\n  default: true\n  data_files:\n  - {split: train, path: main/train*}\n"
        "  - {split: test, path: [main/test.jsonl]}\n"
        "- config_name: socratic\n  data_files: {train: socratic/train.jsonl, test: 'socratic/t?st.*'}\n",
    ],
)  # fmt: skip
def test_the_default_subset_is_read_and_the_others_are_named(tmp_path, capsys, configs):
    path = made(tmp_path / "set", configs, *NAMES)
    assert found(path) == ["main/train.jsonl"]
    said = capsys.readouterr().err
    assert "socratic (2 files)" in said and "only train is read, not test (1 file)" in said
    assert found(path, split="test") == ["main/test.jsonl"]
    assert found(path, split="all") == ["main/test.jsonl", "main/train.jsonl"]
    assert found(f"{path}/socratic") == ["socratic/train.jsonl"]


def test_without_a_default_the_subsets_are_named(tmp_path):
    path = made(
        tmp_path / "set", "- {config_name: main, data_dir: main}\n- {config_name: socratic, data_dir: socratic}\n", *NAMES
    )
    with pytest.raises(DataError, match=r"several subsets: main \(2 files\), socratic \(2 files\); name the files of one"):
        read(path)


@pytest.mark.parametrize(
    "configs",
    [
        "- {config_name: main, data_dir: main}\n",
        "- {config_name: main, data_dir: main}\n- {config_name: gone, data_dir: nowhere}\n",
        "- nothing\n",
    ],
)
def test_a_card_that_names_one_subset_or_none_changes_nothing(tmp_path, configs):
    assert found(made(tmp_path / "set", configs, *NAMES)) == ["main/train.jsonl", "socratic/train.jsonl"]


def test_files_of_no_subset_are_read(tmp_path):
    configs = "- {config_name: default, data_dir: main}\n- {config_name: socratic, data_dir: socratic}\n"
    assert found(made(tmp_path / "set", configs, *NAMES, "mine.jsonl")) == ["main/train.jsonl", "mine.jsonl"]


def test_what_we_exported_is_read_whole(tmp_path, rows):
    both = rows({"instruction": "Q", "output": "A"}, {"instruction": "Q", "input": "", "chosen": "A", "rejected": "B"})
    export(both, "llamafactory", tmp_path / "set" / "mine.jsonl")
    (tmp_path / "set" / "dataset_info.json").unlink()
    assert "config_name: mine_preference" in (tmp_path / "set" / "README.md").read_text()
    assert len(found(str(tmp_path / "set"))) == 2


def test_a_card_that_cannot_be_read_is_said(tmp_path, capsys):
    assert len(found(made(tmp_path / "set", "- {config_name: [1, data_dir\n", *NAMES))) == 2
    assert "whether it names subsets is unknown, all is read" in capsys.readouterr().err
