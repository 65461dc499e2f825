"""What an adapter says of its base, and how the base is found."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from datagen.errors import ModelError
from datagen.models import adapter, cache
from datagen.models.causal_lm import resolve
from datagen.models.origin import Origin, origin_of, public_name, read_origin, write_origin


@pytest.fixture
def base(tiny_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a model in a folder, and a cache that knows none."""
    monkeypatch.setattr(cache, "folder", lambda: tmp_path / "cache")
    return Path(shutil.copytree(tiny_dir, tmp_path / "models" / "small"))


def adapter_of(base: str, folder: Path) -> Path:
    folder.mkdir(parents=True)
    write_origin(folder, origin_of(base, resolve(base)[1]))
    (folder / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": public_name(base)}))
    (folder / "adapter_model.safetensors").write_bytes(b"")
    return folder


def test_a_base_is_named_as_others_know_it(base: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "hub" / "models--Qwen--Qwen3-0.6B" / "snapshots" / "c1899de2"
    snapshot.mkdir(parents=True)
    assert public_name("smollm2") == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert public_name("Qwen/Qwen3-0.6B") == "Qwen/Qwen3-0.6B"
    assert public_name(str(snapshot)) == "Qwen/Qwen3-0.6B"
    assert public_name(str(base)) == "small"


def test_an_adapter_that_is_moved_finds_its_base_by_its_weights(base: Path, tmp_path: Path) -> None:
    folder = adapter_of(str(base), tmp_path / "run" / "adapter")
    assert str(tmp_path) not in (folder / "base.json").read_text()
    moved = folder.rename(tmp_path / "elsewhere")
    assert adapter.base_of(str(moved)) == str(base)
    assert adapter.identity(str(moved)).endswith(resolve(str(base))[1])


def test_a_base_that_is_gone_is_said_and_can_be_told(base: Path, tmp_path: Path) -> None:
    folder = adapter_of(str(base), tmp_path / "adapter")
    moved = base.rename(tmp_path / "away")
    with pytest.raises(ModelError, match=r'its base is the folder small, .* write where it is as "loads" in .*base\.json'):
        adapter.base_of(str(folder))
    origin = read_origin(folder)
    assert origin is not None
    write_origin(folder, Origin(origin.base, origin.base_id, str(moved)))
    assert adapter.base_of(str(folder)) == str(moved)
    assert adapter.identity(str(folder))


def test_other_weights_than_it_was_trained_on_are_refused(base: Path, tmp_path: Path) -> None:
    folder = adapter_of(str(base), tmp_path / "adapter")
    (base / "config.json").write_text((base / "config.json").read_text() + "\n")
    with pytest.raises(ModelError, match=r"was trained on the weights \w{12} of small, and .*small holds \w{12}"):
        adapter.identity(str(folder))
    with pytest.raises(ModelError, match="was trained on the weights"):
        adapter.loaded(str(folder), "cpu", "float32")


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"base": "x"}', '{"base_id": null}'])
def test_a_file_that_says_nothing_leaves_what_peft_wrote(tmp_path: Path, text: str) -> None:
    (tmp_path / "base.json").write_text(text)
    (tmp_path / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/name"}))
    assert adapter.base_of(str(tmp_path)) == "org/name"
