"""What a run would take, beside what published runs took and what their authors computed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datagen.models.size import shape_of
from datagen.studies.plan import (
    DEVICES,
    FROZEN_BYTES,
    TRAINED_BYTES,
    adapter_parameters,
    full,
    largest,
    lora,
    number,
    optimal,
    usual_shape,
)  # fmt: skip

A100 = DEVICES["a100-80gb"]


@pytest.mark.parametrize(
    ("parameters", "tokens", "published"),
    [(174.6e9, 300e9, 3.14e23), (70e9, 1.4e12, 5.76e23)],
    ids=["GPT-3 (Brown et al. 2020, table D.1)", "Chinchilla (Hoffmann et al. 2022)"],
)
def test_operations_are_those_of_the_papers(parameters: float, tokens: float, published: float) -> None:
    assert full(usual_shape(parameters), tokens, A100, 1).operations == pytest.approx(published, rel=0.03)


# Parameters, tokens, A100 hours: Touvron et al. 2023 (table 15), Touvron et al. 2023b (table 2), Luccioni et al. 2022.
HOURS = {
    "LLaMA 7B": (6.7e9, 1.0e12, 82_432), "LLaMA 13B": (13.0e9, 1.0e12, 135_168), "LLaMA 33B": (32.5e9, 1.4e12, 530_432),
    "LLaMA 65B": (65.2e9, 1.4e12, 1_022_362), "Llama 2 7B": (6.7e9, 2.0e12, 184_320), "Llama 2 70B": (69e9, 2.0e12, 1_720_320),
    "BLOOM 176B": (176.2e9, 366e9, 1_082_990),
}  # fmt: skip


@pytest.mark.parametrize("name", HOURS)
def test_hours_are_within_a_third_of_published_runs(name: str) -> None:
    parameters, tokens, hours = HOURS[name]
    planned = full(usual_shape(parameters), tokens, A100, 1).seconds / 3600
    assert planned == pytest.approx(hours, rel=0.34)
    reached = 0.40 * planned / hours
    assert 0.30 < reached < 0.55  # what the module says of published runs
    assert full(usual_shape(parameters), tokens, A100, 1, utilisation=reached).seconds / 3600 == pytest.approx(hours)


def test_llama_65b_on_2048_devices_takes_the_days_that_its_paper_says() -> None:
    assert full(usual_shape(65.2e9), 1.4e12, A100, 2048, utilisation=0.476).seconds / 86_400 == pytest.approx(21, rel=0.02)


def test_states_are_those_of_zero() -> None:
    """Rajbhandari et al. 2020, figure 1: 7.5B parameters are 120 GB of states on one device, 1.9 GB on each of 64."""
    shape = usual_shape(7.5e9)
    each = [full(shape, 1e9, A100, count, pass_tokens=1).bytes_each / 1e9 for count in (1, 64)]
    assert each == [pytest.approx(120, rel=0.01), pytest.approx(1.9, abs=0.05)]
    assert not full(shape, 1e9, A100, 1).fits and full(shape, 1e9, A100, 8).fits and lora(shape, 1e9, A100, 1).fits


def test_the_best_split_is_about_twenty_tokens_a_parameter_at_chinchillas_size() -> None:
    parameters, tokens = optimal(5.76e23)
    assert 60e9 < parameters < 80e9 and 15 < tokens / parameters < 26
    assert 6 * parameters * tokens == pytest.approx(5.76e23)
    for factor in (0.8, 1.25):  # another split of as many operations has more loss

        def loss(n: float) -> float:
            return 482.01 / n**0.3478 + 2085.43 / (5.76e23 / (6 * n)) ** 0.3658

        assert loss(parameters) < loss(parameters * factor)


def test_an_adapter_of_a_usual_shape_is_counted_as_lora_counts() -> None:
    shape = usual_shape(6.7e9)
    assert (shape.layers, shape.width) == (32, pytest.approx(4096, rel=0.03))
    known = 16 * 32 * (4 * 2 * 4096 + 3 * (4096 + 11_008))  # LLaMA 7B, every linear layer, rank 16
    assert adapter_parameters(shape, 16) == pytest.approx(known, rel=0.04)


def test_the_largest_that_fits_fits_and_a_larger_one_does_not() -> None:
    for size, needs in ((TRAINED_BYTES, full), (FROZEN_BYTES, None)):
        found = largest(A100, 4, size)
        if needs is not None:
            assert needs(usual_shape(found * 0.99), 1, A100, 4).fits and not needs(usual_shape(found * 1.01), 1, A100, 4).fits
        assert found > 1e9


def test_a_model_that_is_here_is_counted_without_its_weights(tiny_dir: Path) -> None:
    from transformers import AutoModelForCausalLM

    network = AutoModelForCausalLM.from_pretrained(tiny_dir)
    config = network.config
    assert shape_of(str(tiny_dir)) == (network.num_parameters(), config.num_hidden_layers, config.hidden_size)


@pytest.mark.parametrize(
    ("text", "value"),
    [("7B", 7e9), ("1.4T", 1.4e12), ("300e9", 3e11), ("3_000k", 3e6), ("many", None), ("-1", None), ("0", None)],
)
def test_numbers_are_read_with_their_suffixes(text: str, value: float | None) -> None:
    assert number(text) == (pytest.approx(value) if value else None)


def test_the_command_says_it_in_words_and_its_mistakes_in_a_line(datagen: Callable[..., Any], tiny_dir: Path) -> None:
    done = datagen("plan", "7B", "--tokens", "10M", "--hardware", "a100-80gb", "--count", 8, "--price", 2)
    assert done.returncode == 0, done.stderr
    assert "fits" in done.stdout and "$" in done.stdout and all(len(line) <= 128 for line in done.stdout.splitlines())
    told = json.loads(datagen("plan", tiny_dir, "--tokens", "1M", "--json").stdout)
    assert told["shape"]["parameters"] == shape_of(str(tiny_dir))[0] and told["lora"]["fits"]
    for words, says in (
        (("seven", "--tokens", "1M"), "'seven' is neither here nor a number of parameters"),
        (("7B", "--tokens", "all"), "'all' is no number"),
        (("7B", "--tokens", "1M", "--hardware", "h10"), "did you mean 'h100'"),
        (("7B", "--tokens", "1M", "--tflops", "100"), "together"),
    ):
        wrong = datagen("plan", *words)
        assert wrong.returncode == 2 and says in wrong.stderr, wrong.stderr
