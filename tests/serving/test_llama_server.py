"""GGUF files served by llama.cpp: what works there, what is wrong with one in one line, and the embedded model."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from loopback import is_up
from small_gguf import BROKEN, CHATML, write_small_gguf

from datagen.chat.journal import Journal, Tokens
from datagen.chat.opening import opened
from datagen.chat.options import ModelOptions
from datagen.curate.ifd import Ifd
from datagen.data.shards import iterate_rows
from datagen.errors import ModelError
from datagen.generate.turns import turn_of_model
from datagen.models.adapter import identity
from datagen.models.causal_lm import find_model
from datagen.models.gguf_file import read_gguf
from datagen.models.names import is_local
from datagen.models.weights import Q8_SHA256, sha256_of, smollm2_gguf
from datagen.recipe import make
from datagen.runner import execute
from datagen.serving import embedded
from datagen.serving.llama_server import physical_cores
from datagen.serving.servable import servable
from datagen.serving.served import Endpoint, ServerError, served

OWNER = """
import sys
from datagen.serving.served import served
with served(sys.argv[1]) as endpoint:
    print(endpoint.base_url, endpoint.process, flush=True)
    sys.stdin.read()
"""
BEGINS = "{{ bos_token }}" + CHATML


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, request: Any) -> None:
    if "embedded" not in request.node.name:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    for name in ("OPENAI_BASE_URL", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_gguf(tmp_path_factory.mktemp("gguf") / "small.gguf")


@pytest.fixture(scope="module")
def endpoint(small: Path) -> Iterator[Endpoint]:
    with served(str(small)) as running:
        yield running


def post(endpoint: Endpoint, path: str, **body: Any) -> Any:
    url = f"{endpoint.base_url}/{path}" if path.endswith("completions") else endpoint.base_url.replace("v1", path)
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def chat(endpoint: Endpoint, **body: Any) -> Any:
    return post(endpoint, "chat/completions", messages=[{"role": "user", "content": "abc"}], **body)["choices"]


def text(choice: Any) -> str:
    return str(choice["message"]["content"])


def test_a_seed_fixes_the_draw_and_another_one_gives_another(endpoint: Endpoint) -> None:
    drawn = [text(chat(endpoint, max_tokens=12, temperature=1, seed=seed)[0]) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_several_choices_a_stop_and_the_likeliest_tokens_come_as_asked(endpoint: Endpoint) -> None:
    assert len(chat(endpoint, max_tokens=2, n=2)) == 2
    whole = post(endpoint, "completions", prompt="abc", max_tokens=12, temperature=0)["choices"][0]["text"]
    mark = whole[5]
    cut = post(endpoint, "completions", prompt="abc", max_tokens=12, temperature=0, stop=[mark])["choices"][0]
    assert cut["text"] == whole[: whole.index(mark)] and cut["finish_reason"] == "stop"
    token = chat(endpoint, max_tokens=12, temperature=0, logprobs=True, top_logprobs=10)[0]["logprobs"]["content"][0]
    values = [t["logprob"] for t in token["top_logprobs"]]
    assert len(values) == 10 and values == sorted(values, reverse=True) and token["logprob"] == values[0] < 0


def test_an_answer_follows_a_json_schema(endpoint: Endpoint) -> None:
    schema = {"type": "object", "properties": {"a": {"enum": ["x", "y"]}}, "required": ["a"], "additionalProperties": False}
    asked = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
    (choice,) = chat(endpoint, max_tokens=64, response_format=asked, seed=3)
    assert json.loads(text(choice)) in ({"a": "x"}, {"a": "y"})


def test_marks_in_a_raw_prompt_are_tokens_and_a_prompt_that_is_too_long_is_refused(endpoint: Endpoint) -> None:
    used = post(endpoint, "completions", prompt="<|im_start|>user\n", max_tokens=1)["usage"]
    assert used["prompt_tokens"] == 1 + len("user\n")
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(endpoint, "completions", prompt="a" * 2100, max_tokens=1)
    assert json.load(refused.value)["error"]["type"] == "exceed_context_size_error"


@pytest.mark.parametrize("begins", [True, False])
def test_the_mark_of_the_beginning_stands_once_before_a_text(tmp_path: Path, begins: bool) -> None:
    path = write_small_gguf(tmp_path / "begins.gguf", template=BEGINS, begins=begins)
    head = "<|im_start|>user\n"
    assert turn_of_model(path, None).head == (head if begins else f"<|endoftext|>{head}")
    assert turn_of_model(path, None).stop == ("<|im_end|>",)
    with served(str(path)) as running:
        raw = post(running, "completions", prompt=turn_of_model(path, None).head, max_tokens=1)["usage"]
        asked = post(running, "chat/completions", messages=[{"role": "user", "content": "xyz"}], max_tokens=1)["usage"]
    assert raw["prompt_tokens"] == 1 + 1 + len("user\n")
    assert asked["prompt_tokens"] == 1 + (1 + len("user\nxyz") + 1 + 1) + (1 + len("assistant\n"))


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("template", {"template": BROKEN}, r"llama\.cpp cannot serve .*template\.gguf: .*Parser Error: Expected }}"),
        ("refuses", {"template": "{{ raise_exception('no users') }}"}, r"refuses\.gguf: chat template parsing .*no users"),
        ("none", {"template": None}, r"none\.gguf has no chat template: a base model cannot be asked"),
        ("mystery", {"architecture": "mystery"}, r"cannot serve .*unknown model architecture: 'mystery'; name another GGUF"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_asked_is_one_line(tmp_path: Path, name: str, options: Any, words: str) -> None:
    path = write_small_gguf(tmp_path / f"{name}.gguf", **options)
    with pytest.raises(ModelError, match=words) as failed, served(str(path)):
        pass
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("size", [0, 3, 700, 100_000])
def test_a_file_that_is_cut_off_is_one_line_before_anything_starts(tmp_path: Path, small: Path, size: int) -> None:
    path = tmp_path / "cut.gguf"
    path.write_bytes(small.read_bytes()[:size])
    words = "is cut off or damaged: download it again" if size > 3 else "is no GGUF file"
    with pytest.raises(ModelError, match=rf"cut\.gguf {words}") as failed:
        identity(str(path))
    assert "\n" not in str(failed.value)


def test_a_file_that_is_not_there_is_said_unless_an_endpoint_may_know_it(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing.gguf")
    journal = Journal(tmp_path / "journal.sqlite")
    with pytest.raises(ModelError, match=r"'.*missing\.gguf' is not a file"), opened(ModelOptions(model=missing), journal):
        pass
    assert not is_local(missing)
    with opened(ModelOptions(model=missing, base_url="http://127.0.0.1:9/v1"), journal) as asked:
        assert asked.name == asked.model == missing
    journal.close()


def test_its_weights_are_its_identity_and_a_changed_file_has_another(tmp_path: Path, small: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(small.read_bytes())
    assert identity(str(path)) == identity(str(small)) == read_gguf(str(small)).sha256
    path.write_bytes(small.read_bytes()[:-1] + b"\1")
    assert identity(str(path)) != identity(str(small))
    assert servable(str(path)) == (str(path), identity(str(path)))
    assert read_gguf(str(small)).kv_bytes == 2 * 2 * (64 + 64) and read_gguf(str(small)).context == 2048


def test_it_is_neither_trained_nor_scored_by_losses(small: Path) -> None:
    for refused in (lambda: find_model(str(small)), lambda: Ifd(model=str(small)).identity()):
        with pytest.raises(ModelError, match=r"can be asked, but neither trained nor scored by its losses; give the folder"):
            refused()


def test_requests_without_a_seed_have_that_of_their_key_and_give_the_same_in_a_second_empty_folder(
    tmp_path: Path, small: Path
) -> None:
    async def answers(journal: Journal) -> list[str | None]:
        with opened(ModelOptions(model=str(small)), journal) as chat:
            assert chat.name == f"small.gguf@{identity(str(small))[:16]}"
            body = {"prompt": "abc", "temperature": 1.0, "max_tokens": 16}
            found = [await chat.complete("completions", body, draw) for draw in (0, 1)]
            found += [await chat.complete("completions", {**body, "seed": 5}, 0)]
            await chat.close()
            return [one.text for one in found]

    made = []
    for name in ("one", "two"):
        journal = Journal(tmp_path / name / "journal.sqlite")
        made.append(asyncio.run(answers(journal)))
        journal.close()
    assert made[0] == made[1] and len(set(made[0])) == 3


@pytest.mark.slow
def test_a_judge_asks_it(tmp_path: Path, small: Path, write_jsonl: Any) -> None:
    write_jsonl("in.jsonl", {"instruction": "Say one.", "output": "one"})
    options = {"model": str(small), "max_output_tokens": 8}
    execute(make([{"judge": options}], input=[str(tmp_path / "in.jsonl")]), tmp_path / "out")
    (row,) = iterate_rows(tmp_path / "out" / "kept")
    assert row["judge_score"] is not None or row["judge_error"].startswith(("no score in", "cut_off"))


def test_an_old_folder_of_the_float32_copy_is_read_and_not_mixed_with_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datagen.serving.servable.smollm2_gguf", lambda: write_small_gguf(tmp_path / "stands_for_it.gguf"))

    def name(journal: Journal) -> str:
        with opened(ModelOptions(), journal, offline=True) as chat:
            return chat.name

    journal = Journal(tmp_path / "journal.sqlite")
    assert name(journal) == "smollm2-q8_0"
    asyncio.run(journal.asked("old", "smollm2", "completions", {}, 0, "x", Tokens(1, 1)))
    assert name(journal) == "smollm2"
    asyncio.run(journal.asked("new", "smollm2-q8_0", "completions", {}, 0, "x", Tokens(1, 1)))
    assert name(journal) == "smollm2-q8_0"
    journal.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_is_gone_within_three_seconds_of_a_sudden_death_of_its_parent(small: Path, how: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(small)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    assert owner.stdout is not None
    base_url, process = owner.stdout.readline().split()
    try:
        assert is_up(base_url)
        os.kill(owner.pid, how)
        owner.wait(10)
        deadline = time.monotonic() + 3
        while is_up(base_url) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not is_up(base_url)
    finally:
        owner.kill()
        with suppress(ProcessLookupError):
            os.kill(int(process), signal.SIGKILL)


def stand_in(folder: Path, source: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a module in the place of xllamacpp, as child processes see it."""
    package = folder / "instead" / "xllamacpp"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(source)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(package.parent), os.environ.get("PYTHONPATH", "")]))


def test_a_processor_without_its_instructions_is_one_line(
    tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    stand_in(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGILL)", monkeypatch)
    with pytest.raises(ServerError, match="the wheel xllamacpp needs AVX2 and FMA") as failed, served(str(small)):
        pass
    assert failed.value.illegal


def test_without_the_wheel_a_file_says_how_to_install_it(tmp_path: Path, small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, "raise ModuleNotFoundError(\"No module named 'xllamacpp'\")", monkeypatch)
    with pytest.raises(ServerError, match=r"llama\.cpp, which is not installed: pip install xllamacpp"), served(str(small)):
        pass
    found = embedded.chosen("", bfloat16=False)
    assert found.server == "transformers" and found.why.endswith("not installed: pip install xllamacpp")


def test_no_more_threads_than_cores() -> None:
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)


@pytest.fixture(scope="module")
def running() -> Iterator[Endpoint]:
    with served(str(smollm2_gguf())) as endpoint:
        yield endpoint


@pytest.mark.slow
class TestTheEmbeddedModel:
    """With the real weights; the server is started once."""

    def test_embedded_tokens_are_those_of_transformers_and_its_probabilities_near(self, running: Endpoint) -> None:
        import torch

        from datagen.models.causal_lm import load

        network, tokenizer = load("smollm2", "cpu", "float32")
        model: Any = network
        turns = [[{"role": "user", "content": q}] for q in ("What is the capital of France?", "What is 2+2?\n\n1. four 12")]
        prompts = [str(tokenizer.apply_chat_template(t, tokenize=False, add_generation_prompt=True)) for t in turns]
        assert [post(running, "apply-template", messages=t)["prompt"] for t in turns] == prompts
        for prompt in (*prompts, "One, two, three, four,", "<|im_start|>user\n"):
            ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
            assert post(running, "tokenize", content=prompt, add_special=True, parse_special=True)["tokens"] == ids
            with torch.inference_mode():
                expected = model(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
            said = post(running, "completions", prompt=prompt, max_tokens=1, temperature=0, logprobs=20)["choices"][0]
            (token,) = said["logprobs"]["content"]
            ours = {t["id"]: t["logprob"] for t in token["top_logprobs"]}
            assert set(expected.topk(3).indices.tolist()) <= set(ours)
            apart = [abs(expected[i].exp().item() - 2.718281828**p) for i, p in ours.items()]
            assert max(apart) < 0.04 and sum(apart) < 0.12, apart

    def test_embedded_rows_of_the_bare_turn_end_with_the_turn(self, running: Endpoint) -> None:
        turn = turn_of_model(Path(running.model), None)
        from datagen.models.weights import smollm2_dir

        assert turn == turn_of_model(smollm2_dir(), None)
        choice = post(
            running, "completions", prompt=turn.head, max_tokens=64, temperature=1, seed=5, stop=list(turn.stop)
        )["choices"][0]  # fmt: skip
        assert choice["text"].strip() and "<|" not in choice["text"]

    def test_embedded_copy_is_made_again_where_it_was_changed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:

        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        path = smollm2_gguf()
        path.write_bytes(path.read_bytes()[:-1] + b"\1")
        assert smollm2_gguf() == path and sha256_of([path]) == Q8_SHA256

    def test_embedded_server_is_chosen_once_for_a_processor(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        copy = smollm2_gguf()
        (tmp_path / "datagen").mkdir()
        (tmp_path / "datagen" / copy.name).symlink_to(copy)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        stand_in(tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGILL)", monkeypatch)
        found = embedded.chosen("1.0", bfloat16=False)
        assert found == embedded.Way(
            "transformers", "llama.cpp cannot run on this processor: the wheel xllamacpp needs AVX2 and FMA"
        )
        (tmp_path / "instead" / "xllamacpp" / "__init__.py").write_text("raise RuntimeError('tried again')")
        assert embedded.chosen("1.0", bfloat16=False) == found
        again = embedded.chosen("2.0", bfloat16=False)
        assert again.server == "transformers" and "RuntimeError: tried again" in again.why
        assert json.loads((tmp_path / "datagen" / "embedded-server.json").read_text())["why"] == found.why

    def test_embedded_server_is_the_faster_one_where_there_is_bfloat16(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:  # fmt: skip
        from datagen.models.weights import smollm2_dir

        (tmp_path / "datagen").mkdir()
        for copy in (smollm2_gguf(), smollm2_dir()):
            (tmp_path / "datagen" / copy.name).symlink_to(copy)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setattr(embedded, "AT_ONCE", 2)
        monkeypatch.setattr(embedded, "ANSWER_TOKENS", 4)
        found = embedded.chosen("1.0", bfloat16=True)
        assert (found.server == "transformers") == ("in bfloat16 it is faster on this processor" in found.why)
        kept = json.loads((tmp_path / "datagen" / "embedded-server.json").read_text())
        assert kept["server"] == found.server and kept["mark"].startswith("xllamacpp 1.0, transformers ")
