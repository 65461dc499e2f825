"""Shared by the tests: the command line here and in a process of its own, rows in files, a real endpoint, a tiny model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent / "support"))  # under every import mode of pytest

from command_line import Finished, run_here
from local_endpoint import LocalEndpoint
from tiny_model import TINY

signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it, and so would its children
os.environ.setdefault("OMP_NUM_THREADS", "1")  # a worker a core, or others at work: more threads only wait for each other

settings.register_profile("machine", deadline=None)  # the first call of a kernel compiles it
settings.load_profile("machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--soak", action="store_true", help="the whole of each series of kills, not a few")


# Files of half a minute and more come first: one that is begun last is waited for by two workers that have nothing to do.
LONG = (
    "test_stops.py", "test_together.py", "test_kill.py", "test_llama_server.py", "test_defaults_on_real_data.py",
    "test_cut_models.py", "test_backtranslate.py", "test_methods.py", "test_doctor.py", "test_tasks_hostile.py",
    "test_served.py", "test_checkpoint.py", "test_loop.py", "test_tree.py", "test_endurance.py", "test_rouge_l.py",
    "test_ifd.py", "test_damage.py", "test_round_trip.py", "test_linear_patterns.py", "test_score.py", "test_parity.py",
    "test_endings.py", "test_import_path.py", "test_causal_lm.py", "test_cli.py", "test_run.py", "test_read.py",
    "test_frozen_runs.py", "test_stage_contract.py", "test_stage_fuzz.py", "test_objectives.py", "test_kernels.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files first, in an order that every worker has."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))


WAITS = {  # seconds, in the place of those that are right between machines
    "datagen.chat.client.BACK_OFF_S": 0.02, "datagen.chat.batches.BACK_OFF_S": 0.02,
    "datagen.chat.batches.FIRST_POLL_S": 0.01, "datagen.chat.batches.QUIET_S": 0.1,
    "datagen.doctor.probe_client.BACK_OFF_S": 0.05,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less between attempts, and before a batch is sent: the endpoints of the tests are on this machine."""
    for name, seconds in WAITS.items():
        monkeypatch.setattr(name, seconds)


@pytest.fixture
def moments(request: pytest.FixtureRequest) -> int:
    """How many moments a series of kills is spread over."""
    return 12 if request.config.getoption("--soak") else 3


@pytest.fixture
def some_of(request: pytest.FixtureRequest) -> Callable[..., Sequence[Any]]:
    """Give all of a series of kills with --soak, else every second one of it."""
    return lambda *series: series if request.config.getoption("--soak") else series[::2]


@pytest.fixture
def clean_environment() -> dict[str, str]:
    """The environment of a test's processes: no endpoint and no key of the machine."""
    return {k: v for k, v in os.environ.items() if not k.startswith("OPENAI_")} | {
        "COLUMNS": "80",
        "DATAGEN_PROGRESS": "off",  # on a slow machine its lines would stand among those that a test reads
        "PYTHONWARNINGS": "error::Warning:datagen",
    }


@pytest.fixture
def datagen(tmp_path: Path, clean_environment: dict[str, str]) -> Callable[..., Finished]:
    """Run a command in the test's folder, in this process: `datagen("filter", "in.jsonl", "-o", "out")`."""

    def run(*args: Any, stdin: str = "", env: dict[str, str] | None = None) -> Finished:
        return run_here(args, tmp_path, stdin, {**clean_environment, **(env or {})})

    return run


@pytest.fixture
def datagen_process(tmp_path: Path, clean_environment: dict[str, str]) -> Callable[..., Finished]:
    """Run a command in the test's folder, in a process of its own, for what only a process shows."""

    def run(*args: Any, stdin: str = "", env: dict[str, str] | None = None) -> Finished:
        return subprocess.run(
            [sys.executable, "-m", "datagen", *map(str, args)],
            cwd=tmp_path, input=stdin, capture_output=True, text=True, env={**clean_environment, **(env or {})}, timeout=120,
        )  # fmt: skip

    return run


@pytest.fixture(scope="session")
def tiny_dir() -> Path:
    """The folder of a model of two small layers with random weights; see `support/tiny_model.py`."""
    return TINY


@pytest.fixture
def write_jsonl(tmp_path: Path) -> Callable[..., Path]:
    """Write records, or lines as they are, to a file in the test's folder."""

    def write(name: str, *records: Any) -> Path:
        path = tmp_path / name
        lines = (r if isinstance(r, str) else json.dumps(r, ensure_ascii=False) for r in records)
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return path

    return write


@pytest.fixture
def endpoint() -> Iterator[LocalEndpoint]:
    """Give an OpenAI-compatible endpoint that answers every request."""
    with LocalEndpoint() as server:
        yield server


@pytest.fixture
def folder_bytes() -> Callable[..., dict[str, bytes]]:
    """Read the result of a run folder: the bytes of each shard of kept/ and dropped/."""

    def read(out: Path) -> dict[str, bytes]:
        shards = sorted(p for part in ("kept", "dropped") for p in (out / part).glob("*"))
        assert shards
        return {str(p.relative_to(out)): p.read_bytes() for p in shards}

    return read
