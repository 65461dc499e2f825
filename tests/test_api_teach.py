"""The Python face of the teachers: `dg.answer`, `dg.backtranslate`, `dg.from_pairs`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from local_endpoint import LocalEndpoint

import datagen as dg
from datagen.errors import UsageError


def test_rows_of_a_table_are_taught(tmp_path: Path, endpoint: LocalEndpoint) -> None:
    table = pd.DataFrame({"instruction": ["Name a river.", "Name a lake."], "output": ["The Mekong.", "Songkhla."]})
    run = dg.answer(table, tmp_path / "out", model="local", base_url=endpoint.base_url, samples=3)
    assert [len(c) for c in run.kept.column("candidates").to_pylist()] == [3, 3]
    judged = dg.judge(run.folder, tmp_path / "judged", model="local", base_url=endpoint.base_url)
    assert {"judge_score", "judge_reason", "judge_error"} <= set(judged.kept.column_names)


def test_documents_and_pairs(tmp_path: Path, endpoint: LocalEndpoint, write_jsonl: Any) -> None:
    pages = write_jsonl("pages.jsonl", {"text": "A garden needs water every morning, because the sun dries the soil. " * 5})
    run = dg.backtranslate(pages, tmp_path / "out", model="local", base_url=endpoint.base_url, min_score=1)
    assert run.summary["rows_in"] == 1
    pairs = write_jsonl("pairs.jsonl", {"en": "Good morning.", "th": "สวัสดีตอนเช้า"})
    assert dg.from_pairs(pairs, tmp_path / "pairs", "en", "th").kept.num_rows == 2


def test_wrong_names_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"dg\.backtranslate has no option 'min_scor'; did you mean 'min_score'"):
        dg.backtranslate("pages", tmp_path / "out", min_scor=3)
    with pytest.raises(UsageError, match=r"dg\.answer has no option 'sample'; did you mean 'samples'"):
        dg.answer([{"instruction": "x"}], tmp_path / "out", sample=3)
