"""Questions with choices as tasks for lm-evaluation-harness: the same texts, shots and choices, to be measured by it too.

Source: its task guide, `dataset_path: json` with local files (Gao et al. 2024, "The Language Model Evaluation Harness").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from datagen.data.shards import write_text
from datagen.evaluation.items import Item
from datagen.evaluation.prompts import continuations, plain
from datagen.json_text import dumps
from datagen.kinds.eval import Eval

_NO_NAME = re.compile(r"[^\w-]+")


def write_tasks(items: Sequence[Item], options: Eval, folder: Path) -> list[Path]:
    """Write a YAML and a JSON Lines file for each task that has questions with choices; return the YAML files.

    The paths in them are relative: the harness is to be run in the folder itself.
    """
    folder.mkdir(exist_ok=True)
    tasks: dict[str, list[Item]] = {}
    for item in items:
        if item.choices is not None:
            tasks.setdefault(item.task, []).append(item)
    written = []
    for number, (task, ones) in enumerate(tasks.items()):
        name = f"{_NO_NAME.sub('_', task).strip('_') or 'task'}{f'_{number}' if len(tasks) > 1 else ''}"
        lines = [_line(item, item.choices.right, options) for item in ones if item.choices is not None]
        write_text(folder / f"{name}.jsonl", "".join(f"{dumps(line)}\n" for line in lines))
        told = {
            "task": name, "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": f"{name}.jsonl"}},
            "test_split": "test", "output_type": "multiple_choice", "doc_to_text": "text", "doc_to_choice": "choices",
            "doc_to_target": "gold", "target_delimiter": " ", "num_fewshot": 0, "metadata": {"version": 1},
            "metric_list": [{"metric": m, "aggregation": "mean", "higher_is_better": True} for m in ("acc", "acc_norm")],
        }  # fmt: skip
        written.append(folder / f"{name}.yaml")
        write_text(written[-1], yaml.safe_dump(told, sort_keys=False, allow_unicode=True))
    return written


def _line(item: Item, right: int, options: Eval) -> dict[str, Any]:
    return {"text": plain(item, options.choices)[0], "choices": continuations(item, options.choices), "gold": right}
