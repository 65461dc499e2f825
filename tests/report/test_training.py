"""What the report says of a mixture, of generation and of training."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen.data.rows import new_row
from datagen.data.shards import write_json
from datagen.report.page import write_report


@pytest.fixture
def trained(folder: Any, page_of: Any) -> Callable[..., Any]:
    """A page of a run folder with these metrics, and with a training step where it is told of one."""

    def write(out: Path, lines: str, **told: Any) -> Any:
        summary = folder(out, [new_row(instruction="a", output="b")], [])
        (out / "metrics.jsonl").write_text(lines, encoding="utf-8")
        if told:
            stage = {**summary["stages"][0], "name": "train", "options": {"model": "smollm2"}, "training": told}
            summary["stages"].append(stage)
        return page_of(write_report(out, summary))

    return write


def test_training(tmp_path: Path, trained: Any) -> None:
    lines = "".join(json.dumps({"step": i + 1, "loss": 3 - i / 50, "lr": 1e-4}) + "\n" for i in range(50))
    told = {
        "steps": 50, "rows": 40, "tokens": 9000, "label_tokens": 4000, "first_loss": 2.96, "last_loss": 2.06,
        "dtype": "float32", "eval_before": {"loss": 3.0, "by_source": {"a": 2.5, "b": 3.5}, "tokens": 9},
        "eval_after": {"loss": 2.0, "by_source": {"a": 1.75, "b": 2.25}, "tokens": 9}, "adapter": "adapter",
    }  # fmt: skip
    page = trained(tmp_path / "demo", lines, **told)
    assert page.tags.count("svg") == 2  # one for wide and one for narrow screens
    assert "loss, nats per token" in page.text
    assert "all sources3.00002.0000−1.0000" in page.text
    assert "b3.50002.2500−1.2500" in page.text
    assert 'peft.AutoPeftModelForCausalLM.from_pretrained("demo/adapter")' in page.text
    whole = trained(tmp_path / "whole", lines, **{**told, "adapter": "model", "eval_before": None, "eval_after": None})
    assert 'transformers.AutoModelForCausalLM.from_pretrained("whole/model")' in whole.text
    assert "No evaluation rows were given" in whole.text


@pytest.mark.parametrize("lines", ["", "not json\n", '{"step": 1, "loss": NaN}\n[]\n', '{"step": 1, "loss": 2.5}\n'])
def test_odd_metrics(tmp_path: Path, lines: str, trained: Any) -> None:
    page = trained(tmp_path, lines)
    assert ("of metrics.jsonl held no finite loss" in page.text) == ("not json" in lines or "NaN" in lines)
    assert "1 rows in" in page.text


def test_the_mixture_and_its_noise_in_words(tmp_path: Path, folder: Any, page_of: Any) -> None:
    summary = folder(tmp_path, [new_row(instruction="a", output="b")], [])
    summary["stages"][0]["requests"] = dict.fromkeys(["judged", "sent", "asked", "attempts"], 12) | {
        "recorded": 30,
        "given_up": 0,
        "cut_off": 1,
    }
    sources = {n: {"rows": 100, "held_out": 10, "share": 0.5, "taken": 90, "epochs": 1.0} for n in ("seeds", "docs")}

    def run(name: str, loss: float) -> dict[str, Any]:
        return {
            "name": name,
            "weights": {"seeds": 0.5, "docs": 0.5},
            "loss": loss,
            "by_source": {"seeds": loss, "docs": loss},
        }

    def noise(losses: list[float], second: float) -> str:
        ranked = [run(f"m{i}", loss) for i, loss in enumerate(losses)]
        grid = {"ranked": ranked, "best_second_seed": run("m0", second), "noise": round(abs(second - losses[0]), 5)}
        write_json(tmp_path / "mix.json", {"sources": sources, "grid": grid})
        return page_of(write_report(tmp_path, summary)).text

    text = noise([2.0, 2.001, 2.5], 2.01)
    assert "differ by 0.01. The second-ranked is 0.001 behind the best: within the noise." in text
    assert "30 answers recorded, 1 attempt cut off" in text
    assert "seeds1001050 %901.00" in text
    assert "0.2 behind the best: more than the noise." in noise([2.0, 2.2], 2.01)
    assert "and so are 1 more" in noise([2.0, 2.001, 2.002], 2.01)
    assert "The second-ranked" not in noise([2.0], 2.01)
