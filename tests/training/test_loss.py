from __future__ import annotations

from typing import Any

import pytest
import torch

from datagen.data.rows import Row, new_row, turn
from datagen.training.batches import Sample
from datagen.training.loss import label_head, label_loss
from datagen.training.passes import micro_batches, padded
from datagen.training.texts import samples_of

Loaded = tuple[Any, Any]


def labels_of(samples: list[Sample]) -> torch.Tensor:
    longest = max(len(s.labels) for s in samples)
    return torch.tensor([[*s.labels, *[-100] * (longest - len(s.labels))] for s in samples])


def gradients(model: Any, cut: list[list[Sample]], weight: float) -> tuple[float, torch.Tensor]:
    model.zero_grad()
    head, total = label_head(model), 0.0
    for micro in cut:
        loss: Any = label_loss(head, padded(micro))[0] / weight
        loss.backward()
        total += loss.item()
    return total, torch.cat([p.grad.flatten() for p in model.parameters()])


def test_any_cut_into_micro_batches_gives_the_same_gradient(tiny: Loaded, sums: list[Row]) -> None:
    model, tokenizer = tiny
    samples, _ = samples_of(sums[:8], tokenizer, 512)
    weight = sum(s.label_weight for s in samples)
    loss, whole = gradients(model, [samples], weight)
    cuts = [[samples[i : i + n] for i in range(0, 8, n)] for n in (1, 2, 4)]
    for cut in [*cuts, micro_batches(samples, 60), micro_batches(samples, 200)]:
        other, grads = gradients(model, cut, weight)
        assert other == pytest.approx(loss, rel=1e-6)
        assert (grads - whole).abs().max() < 1e-6


def test_label_only_loss_is_the_full_logits_loss_is_transformers_loss(tiny: Loaded, sums: list[Row]) -> None:
    model, tokenizer = tiny
    samples, _ = samples_of(sums, tokenizer, 512)
    batch = padded(samples)
    width = batch.input_ids.shape[1]
    mask = torch.tensor([[1] * len(s.input_ids) + [0] * (width - len(s.input_ids)) for s in samples])
    labels = labels_of(samples)
    with torch.no_grad():
        ours = label_loss(label_head(model), batch)[0] / sum(s.label_weight for s in samples)
        logits = model(input_ids=batch.input_ids, attention_mask=mask).logits
        full = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten())
        theirs = model(input_ids=batch.input_ids, attention_mask=mask, labels=labels).loss
    assert ours.item() == pytest.approx(full.item(), rel=1e-6)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6)


def test_chunks_under_a_small_memory_budget_change_nothing(tiny: Loaded, sums: list[Row]) -> None:
    model, tokenizer = tiny
    samples, _ = samples_of(sums, tokenizer, 512)
    head, batch = label_head(model), padded(samples)
    found = []
    for budget in (2**30, 4 * head.vocabulary * 7):  # all at once, and seven labels at a time
        model.zero_grad()
        loss: Any = label_loss(head, batch, budget)[0]
        loss.backward()
        found.append((loss.item(), torch.cat([p.grad.flatten() for p in model.parameters()])))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-6)
    assert torch.allclose(found[0][1], found[1][1], rtol=1e-4, atol=1e-5)


def test_a_turn_of_weight_2_counts_twice(tiny: Loaded) -> None:
    model, tokenizer = tiny
    heavy = new_row(messages=[turn("user", "q"), turn("assistant", "a", weight=2.0)])
    light = new_row(messages=[turn("user", "q"), turn("assistant", "a")])
    (one,), (two,) = samples_of([light], tokenizer, 99)[0], samples_of([heavy], tokenizer, 99)[0]
    head = label_head(model)
    assert two.label_weight == 2 * one.label_weight
    assert label_loss(head, padded([two]))[0].item() == pytest.approx(2 * label_loss(head, padded([one]))[0].item())
    both = label_loss(head, padded([one, two]))[0].item()
    assert both == pytest.approx(3 * label_loss(head, padded([one]))[0].item(), rel=1e-6)


def test_a_model_that_scales_its_logits_after_the_head_is_used_whole(sums: list[Row], tiny: Loaded) -> None:
    from transformers import GraniteConfig, GraniteForCausalLM

    config = GraniteConfig(
        vocab_size=len(tiny[1]),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=4,
        num_key_value_heads=4,
        logits_scaling=4.0,
        initializer_range=0.5,
    )
    torch.manual_seed(0)
    model: Any = GraniteForCausalLM(config).eval()
    samples = samples_of(sums[:3], tiny[1], 512)[0]
    batch, labels = padded(samples), labels_of(samples)
    with torch.no_grad():
        logits = model(input_ids=batch.input_ids).logits
        expected = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), reduction="sum")
        assert label_loss(label_head(model), batch)[0].item() == pytest.approx(expected.item(), rel=1e-5)
