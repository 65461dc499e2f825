"""The embedded model behind its endpoint: it answers as OpenAI's API does, and never outlives its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from loopback import is_up

from datagen.errors import ModelError
from datagen.serving.served import Endpoint, served

pytestmark = pytest.mark.slow

OWNER = """
import sys
from datagen.serving.served import served
with served(sys.argv[1]) as endpoint:
    print(endpoint.base_url, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def folder() -> str:
    from datagen.models.weights import smollm2_dir

    return str(smollm2_dir())


@pytest.fixture(scope="module")
def endpoint(folder: str) -> Iterator[Endpoint]:
    with served(folder) as running:
        yield running


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return dict(json.load(answer))


def test_it_answers_a_chat(endpoint: Endpoint) -> None:
    messages = [{"role": "user", "content": "What is the capital of France? Answer with one word."}]
    body = {"model": endpoint.model, "messages": messages, "max_tokens": 24, "temperature": 0.01}
    answer = post(f"{endpoint.base_url}/chat/completions", body)
    assert "Paris" in answer["choices"][0]["message"]["content"]
    assert answer["usage"]["prompt_tokens"] > 5 and answer["usage"]["completion_tokens"] <= 24


def test_it_completes_a_text_up_to_the_length(endpoint: Endpoint) -> None:
    body = {"model": endpoint.model, "prompt": "One, two, three, four,", "max_tokens": 6, "temperature": 0.01}
    answer = post(f"{endpoint.base_url}/completions", body)
    assert "five" in answer["choices"][0]["text"]
    assert answer["choices"][0]["finish_reason"] == "length"


def test_a_completion_of_a_bare_turn_ends_at_the_end_of_the_turn(endpoint: Endpoint) -> None:
    prompt = "<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n"
    body = {"model": endpoint.model, "prompt": prompt, "max_tokens": 64, "temperature": 0.01, "stop": ["<|im_end|>"]}
    choice = post(f"{endpoint.base_url}/completions", body)["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert "Paris" in choice["text"] and "<|" not in choice["text"]


def test_it_listens_on_loopback_only(endpoint: Endpoint) -> None:
    assert endpoint.base_url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_is_gone_within_three_seconds_of_a_sudden_death_of_its_parent(tiny_dir: Path, how: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tiny_dir)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert owner.stdout is not None
        base_url = owner.stdout.readline().strip()
        assert is_up(base_url)
        os.kill(owner.pid, how)
        owner.wait(10)
        deadline = time.monotonic() + 3
        while is_up(base_url) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not is_up(base_url)
    finally:
        with_group_ended(owner)


def test_it_is_gone_at_the_end_of_the_block(tiny_dir: Path) -> None:
    with served(str(tiny_dir)) as running:
        assert is_up(running.base_url)
    assert not is_up(running.base_url)


def test_a_folder_without_a_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="the local model server did not start") as failed, served(str(tmp_path)):
        pass
    assert "\n" not in str(failed.value)


def with_group_ended(process: subprocess.Popen[str]) -> None:
    """End a process that this test started, and what is left of its group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
