"""What a run makes smaller: pairs, plain text, hindsight; noise and smoothing."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from datagen.data.rows import Row, new_row, turn
from datagen.errors import DataError, UsageError
from datagen.formats.read import read
from datagen.models.causal_lm import load
from datagen.training.loop import TrainOptions, train
from datagen.training.loss import Network, Teacher
from datagen.training.objective import Objective, log_probabilities, referred
from datagen.training.pairs import compared, in_hindsight
from datagen.training.passes import Layout, padded, passes
from datagen.training.texts import samples_of

Loaded = tuple[Any, Any]
LN2 = math.log(2)


def candidates(*texts: str) -> list[dict[str, Any]]:
    return [{"text": text, "score": float(-n), "source": None} for n, text in enumerate(texts)]


@pytest.fixture
def pairs() -> list[Row]:
    return [
        new_row(instruction=f"Say {i}", output=f"It is {i}", candidates=candidates(f"It is {i}", f"no idea of {i} or so"))
        for i in range(8)
    ]


@pytest.mark.parametrize("method", ["lora", "full", "adapter"])
def test_dpo_begins_at_ln_2_and_prefers_the_better_answer(method: Any, tiny: Loaded, pairs: list[Row]) -> None:
    options = TrainOptions(objective="dpo", method=method, steps=12, lr=1e-2, batch_size=4, schedule="constant")
    ran = train(pairs, options, None, pairs, base=tiny)
    assert ran.losses[0] == pytest.approx(LN2, abs=1e-6)
    assert ran.eval_before and ran.eval_before["loss"] == pytest.approx(LN2, abs=1e-6)
    assert ran.eval_after and ran.eval_after["loss"] < LN2 - 0.05
    assert ran.samples == 2 * ran.rows_used == 16


@pytest.mark.slow
def test_ipo_begins_at_the_square_of_half_its_temperature(tiny: Loaded, pairs: list[Row]) -> None:
    ran = train(pairs, TrainOptions(objective="ipo", beta=0.5, steps=12, lr=1e-2, schedule="constant"), None, base=tiny)
    assert ran.losses[0] == pytest.approx(1.0, abs=1e-6) and ran.last_loss < ran.first_loss


def test_the_loss_of_pairs_is_that_of_the_formula_whatever_the_passes(tiny: Loaded, pairs: list[Row]) -> None:
    model, tokenizer = tiny
    samples, _ = samples_of(pairs, tokenizer, 512, objective="dpo")
    network = Network(model)
    known = log_probabilities(network, samples, Layout())
    samples = referred(samples, [(better - 0.5, worse + 0.25 * n) for n, (better, worse) in enumerate(known)])
    objective = Objective("dpo", beta=0.3, smoothing=0.1)
    margins = torch.tensor([0.3 * (0.5 + 0.25 * n) for n in range(8)])
    sigmoid = torch.nn.functional.logsigmoid
    expected = (-0.9 * sigmoid(margins) - 0.1 * sigmoid(-margins)).sum().item()
    gradients = []
    for how, most in (("padded", 10), ("padded", 10_000), ("packed", 40), ("tree", 40), ("tree", 10_000)):
        model.zero_grad()
        total = 0.0
        for batch in passes(samples, how, most):  # type: ignore[arg-type]
            measured = objective.measure(network, batch)
            measured.total.backward()  # type: ignore[no-untyped-call]
            total += measured.total.item()
            assert len(batch.samples) == 2 * len(measured.samples)
        assert total == pytest.approx(expected, rel=1e-5)
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    assert all((g - gradients[0]).norm() < 1e-5 * gradients[0].norm() for g in gradients)


def test_log_probabilities_are_those_of_the_answers_tokens(tiny: Loaded, pairs: list[Row]) -> None:
    model, tokenizer = tiny
    samples, _ = samples_of(pairs[:1], tokenizer, 512, objective="dpo")
    ((better, worse),) = log_probabilities(Network(model), samples, Layout("tree"))
    for text, found in zip(samples[0].texts, (better, worse), strict=True):
        ids = torch.tensor([text.input_ids])
        with torch.no_grad():
            logp = model(input_ids=ids).logits.log_softmax(-1)[0]
        expected = sum(logp[at - 1, label].item() for at, label in enumerate(text.labels) if label != -100)
        assert found == pytest.approx(expected, rel=1e-5)


def test_rows_without_two_unequal_answers_are_left_out_with_a_reason(tiny: Loaded, pairs: list[Row]) -> None:
    alone = new_row(instruction="q", output="a")
    same = new_row(instruction="q", output="a", candidates=candidates("a", "a"))
    draw = new_row(instruction="q", output="a", candidates=[{**c, "score": 1.0} for c in candidates("a", "b")])
    ran = train([*pairs, alone, same, draw], TrainOptions(objective="dpo", steps=1), None, base=tiny)
    assert ran.left_out == [(alone["id"], "no_pair"), (same["id"], "no_preference"), (draw["id"], "no_preference")]
    with pytest.raises(DataError, match="all 1 were left out \\(no_pair\\)"):
        train([alone], TrainOptions(objective="hindsight"), None, base=tiny)


def test_a_pair_of_a_conversation_teaches_its_last_answer_alone(tiny: Loaded) -> None:
    row = new_row(
        system="Be kind.", candidates=candidates("Good", "Bad"),
        messages=[turn("user", "Hi"), turn("assistant", "Hello"), turn("user", "How?"), turn("assistant", "Good")],
    )  # fmt: skip
    found = compared(row)
    assert not isinstance(found, str)
    better, worse = found
    assert [(t["content"], t["train"]) for t in worse["messages"]] == [
        ("Hi", None), ("Hello", False), ("How?", None), ("Bad", None),
    ]  # fmt: skip
    assert better["messages"][-1]["content"] == "Good" and better["system"] == "Be kind."
    (sample,), _ = samples_of([row], tiny[1], 512, objective="dpo")
    assert sample.rejected
    taught = [tiny[1].decode([i for i in text.labels if i != -100]) for text in sample.texts]
    assert taught[0].startswith("Good") and taught[1].startswith("Bad")


@pytest.mark.parametrize(("language", "words"), [("en", "better one"), ("zh", "更好"), ("th", "ให้ดีกว่านี้")])
def test_hindsight_shows_the_worse_answer_first_and_says_so(language: str, words: str) -> None:
    row = new_row(instruction="Task", output="Good", candidates=candidates("Good", "Bad"), language=language)
    found = in_hindsight(row, {})
    assert not isinstance(found, str)
    said = [(t["role"], t["content"]) for t in found["messages"]]
    assert [role for role, _ in said] == ["user", "assistant", "user", "assistant"]
    assert said[0][1].startswith("Task\n\n") and said[1][1] == "Bad" and words in said[2][1] and said[3][1] == "Good"


@pytest.mark.slow
def test_hindsight_trains_on_both_answers(tiny: Loaded, pairs: list[Row]) -> None:
    ran = train(pairs, TrainOptions(objective="hindsight", steps=8, lr=1e-2), None, base=tiny)
    assert ran.rows_used == 8 and ran.last_loss < ran.first_loss


def test_plain_text_is_cut_and_each_token_is_predicted_once(tiny: Loaded) -> None:
    tokenizer = tiny[1]
    row = new_row(output="word " * 100)
    whole = [*tokenizer("\n".join([row["output"].strip()]))["input_ids"], tokenizer.eos_token_id]
    samples, left_out = samples_of([row, new_row(output="short")], tokenizer, 32, objective="lm")
    mine = [s for s in samples if s.id == row["id"]]
    assert left_out == [] and [s.part for s in mine] == list(range(len(mine))) and all(len(s.input_ids) <= 32 for s in mine)
    assert [label for s in mine for label in s.labels if label != -100] == whole[1:]
    assert all(b.input_ids[0] == a.input_ids[-1] for a, b in pairwise(mine))
    ran = train([row], TrainOptions(objective="lm", max_length=32, steps=6, lr=1e-2), None, base=tiny)
    assert ran.rows_used == 1 and ran.samples == len(mine) and ran.last_loss < ran.first_loss
    forged = samples_of([new_row(output="a <|im_end|> b")], tokenizer, 32, objective="lm")
    assert forged[1][0][1] == "control_tokens: <|im_end|>"


@pytest.mark.slow
def test_noise_is_scaled_by_each_texts_own_length_and_off_in_evaluation(tiny: Loaded, sums: list[Row]) -> None:
    model, tokenizer = tiny
    samples, _ = samples_of(sums, tokenizer, 512)
    batch, width = padded(samples), model.get_input_embeddings().weight.shape[1]
    network = Network(model, noise=5.0).train()
    seen: list[torch.Tensor] = []
    plain = model.get_input_embeddings()(batch.input_ids).detach()
    hook = model.model.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0].detach()))
    torch.manual_seed(1)
    for _ in range(200):
        network(batch)
    noise = torch.stack(seen) - plain
    for row, s in enumerate(samples):
        size = len(s.input_ids)
        bound = 5 / math.sqrt(size * width)
        assert noise[:, row, size:].abs().max() == 0 if size < noise.shape[2] else True
        assert bound * 0.99 < noise[:, row, :size].abs().max() <= bound * 1.0001
        assert noise[:, row, :size].var().item() == pytest.approx(bound**2 / 3, rel=0.02)
    seen.clear()
    network.eval()
    network(batch)
    hook.remove()
    assert torch.equal(seen[0], plain)
    runs = [train(sums, TrainOptions(steps=3, neftune=5.0), None, base=tiny) for _ in range(2)]
    assert runs[0].losses == runs[1].losses != train(sums, TrainOptions(steps=3), None, base=tiny).losses


def test_smoothing_is_that_of_torch(tiny: Loaded, sums: list[Row]) -> None:
    model, tokenizer = tiny
    batch = padded(samples_of(sums[:3], tokenizer, 512)[0])
    network = Network(model, smoothing=0.2).train()
    with torch.no_grad():
        logits = model(input_ids=batch.input_ids).logits.flatten(0, 1)[batch.at]
        expected = torch.nn.functional.cross_entropy(logits, batch.targets, label_smoothing=0.2, reduction="sum")
        assert network(batch)[0].item() == pytest.approx(expected.item(), rel=1e-6)
        assert network.eval()(batch)[0].item() != pytest.approx(expected.item(), rel=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"objective": "dpo", "neftune": 5.0},
            "option 'neftune' is of objective sft or lm or hindsight, not dpo; leave it out",
        ),
        ({"beta": 0.2}, "option 'beta' is of objective dpo or ipo, not sft; leave it out"),
        ({"lora_r": 8, "method": "full"}, "option 'lora_r' is of method lora or dora, not full; leave it out"),
        ({"decay": 0.5}, "option 'decay' is of schedule wsd, not cosine; leave it out"),
        ({"objective": "lm", "direction": "backward"}, "direction backward is of objective sft, not lm"),
        ({"minutes": 3, "steps": 3}, "the steps are given by 'steps' or by 'minutes', not by both"),
    ],
)
def test_what_would_be_ignored_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TrainOptions(**options)


def test_schedules() -> None:
    linear = TrainOptions(schedule="linear", lr=1e-5, lr_end=1e-6, warmup=0.0)
    assert linear.lr_at(0, 10) == pytest.approx(1e-5) and linear.lr_at(9, 10) == pytest.approx(1e-6 + 0.1 * 9e-6)
    wsd = TrainOptions(schedule="wsd", lr=1.0, decay=0.25, warmup=0.1)
    found = [round(wsd.lr_at(step, 20), 2) for step in range(20)]
    assert found == [0.33, 0.67, *[1.0] * 14, 0.8, 0.6, 0.4, 0.2]


@pytest.mark.slow
def test_a_dpo_run_that_is_stopped_goes_on_to_the_same_weights(tiny_dir: Path, pairs: list[Row], tmp_path: Path) -> None:
    options = TrainOptions(model=str(tiny_dir), objective="dpo", steps=10, lr=1e-2, batch_size=4, save_every=3)
    train(pairs, options, tmp_path / "whole", pairs)

    def stop(line: dict[str, Any]) -> None:
        if line["step"] == 5:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        train(pairs, options, tmp_path / "cut", pairs, stop)
    train(pairs, options, tmp_path / "cut", pairs)
    a, b = (load_file(tmp_path / n / "adapter" / "adapter_model.safetensors") for n in ("whole", "cut"))
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_a_teachers_probabilities_are_learned(tiny: Loaded, sums: list[Row]) -> None:
    from tests.training.models import made

    model, tokenizer = tiny
    other = made("llama", len(tokenizer))
    batch = padded(samples_of(sums[:3], tokenizer, 512)[0])
    teacher = Teacher(other, 3.0, 0.25)
    with torch.no_grad():
        mine, theirs = ((m(input_ids=batch.input_ids).logits.flatten(0, 1)[batch.at]).float() for m in (model, other))
        apart = torch.nn.functional.kl_div(
            (mine / 3).log_softmax(-1), (theirs / 3).log_softmax(-1), reduction="sum", log_target=True
        )
        plain = torch.nn.functional.cross_entropy(mine, batch.targets, reduction="sum")
        network = Network(model, teacher=teacher).train()
        assert network(batch)[0].item() == pytest.approx((0.75 * plain + 0.25 * 9 * apart).item(), rel=1e-5)
        assert Network(model, teacher=Teacher(model, 2.0, 1.0)).train()(batch)[0].item() == pytest.approx(0.0, abs=1e-4)
        assert network.eval()(batch)[0].item() == pytest.approx(plain.item(), rel=1e-6)
        small = Network(model, teacher=teacher, logits_bytes=4 * len(tokenizer) * 5).train()
        assert small(batch)[0].item() == pytest.approx(network.train()(batch)[0].item(), rel=1e-5)


@pytest.mark.slow
def test_a_teacher_is_loaded_and_must_have_the_same_vocabulary(
    tiny: Loaded, tiny_dir: Path, sums: list[Row], tmp_path: Path
) -> None:
    ran = train(sums, TrainOptions(model=str(tiny_dir), teacher=str(tiny_dir), steps=2, teacher_weight=1.0), None)
    assert ran.losses[0] == pytest.approx(0.0, abs=1e-4)  # it is its own teacher
    tiny[1].add_tokens(["plus"])
    tiny[0].resize_token_embeddings(len(tiny[1]))
    for part in tiny:
        part.save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="has another vocabulary than the model"):
        train(sums, TrainOptions(model=str(tiny_dir), teacher=str(tmp_path), steps=2), None)
    with pytest.raises(UsageError, match="are of a teacher; give --teacher, or leave them out"):
        TrainOptions(temperature=3.0)


@pytest.mark.slow
def test_texts_grow_in_stages_and_a_run_goes_on_across_them(tiny_dir: Path, tmp_path: Path) -> None:
    rows = [new_row(instruction=f"n{i}", output="word " * (5 + 10 * (i % 6))) for i in range(48)]
    lengths = ("60:5:1e-3", "120:5:2e-4")
    options = TrainOptions(model=str(tiny_dir), lengths=lengths, batch_size=4, save_every=1, schedule="constant", warmup=0.0)
    whole = train(rows, options, tmp_path / "whole")
    assert whole.steps == 10
    lines = [json.loads(line) for line in (tmp_path / "whole" / "metrics.jsonl").read_text().splitlines()]
    assert [line["lr"] for line in lines] == [1e-3] * 5 + [2e-4] * 5
    sizes = {s.id: len(s.input_ids) for s in samples_of(rows, load(str(tiny_dir), "cpu")[1], 4096)[0]}
    seen = pq.read_table(tmp_path / "whole" / "steps.parquet").to_pylist()
    assert max(sizes[r["id"]] for r in seen if r["step"] <= 5) <= 60 < max(sizes[r["id"]] for r in seen if r["step"] > 5) <= 120

    def stop(line: dict[str, Any]) -> None:
        if line["step"] == 6:
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        train(rows, options, tmp_path / "cut", on_step=stop)
    assert train(rows, options, tmp_path / "cut").losses == whole.losses
    a, b = (load_file(tmp_path / n / "adapter" / "adapter_model.safetensors") for n in ("whole", "cut"))
    assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lengths": ("60:5",)}, "'60:5' is not LENGTH:STEPS:LR, such as 8192:3000:3e-4"),
        ({"lengths": ("60:5:1e-3", "50:5:1e-3")}, "each length must be above the one before it"),
        ({"lengths": ("60:5:1e-3",), "steps": 3}, "the steps are given by 'steps' or by 'lengths', not by both"),
        ({"rope_scaling": "linear:2", "method": "full"}, "option 'rope_scaling' must be ntk:F, such as ntk:4, not 'linear:2'"),
        ({"rope_scaling": "ntk:2"}, "option 'rope_scaling' is of method full, not lora"),
    ],
)
def test_lengths_and_positions_that_cannot_be_are_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TrainOptions(**options)


@pytest.mark.slow
def test_positions_are_stretched_for_longer_texts(tiny_dir: Path, tiny: Loaded, tmp_path: Path) -> None:
    rows = [new_row(instruction=f"n{i}", output="word " * 40) for i in range(8)]
    tiny[0].config.max_position_embeddings = 32
    for part in tiny:
        part.save_pretrained(tmp_path / "short")
    short = TrainOptions(model=str(tmp_path / "short"), method="full", lengths=("60:2:1e-3",))
    with pytest.raises(UsageError, match="has texts of 60 tokens, and the model reads 32: --rope-scaling ntk:2 stretches it"):
        train(rows, short, None)
    ran = train(rows, replace(short, rope_scaling="ntk:4"), tmp_path / "out")
    config = json.loads((tmp_path / "out" / "model" / "config.json").read_text())
    before = tiny[0].config.rope_parameters["rope_theta"]
    width = tiny[0].config.head_dim
    assert config["max_position_embeddings"] == 128
    assert config["rope_parameters"]["rope_theta"] == pytest.approx(before * 4 ** (width / (width - 2)))
    again = load(str(ran.folder), "cpu", "float32")[0]
    slowest = again.model.rotary_emb.inv_freq[-1] / tiny[0].model.rotary_emb.inv_freq[-1]
    assert slowest.item() == pytest.approx(1 / 4, rel=1e-4) and again.model.rotary_emb.inv_freq[0] == 1.0


def test_compiling_is_for_a_gpu(tiny: Loaded, sums: list[Row]) -> None:
    with pytest.raises(UsageError, match="--compile is for a GPU"):
        train(sums, TrainOptions(compile=True, steps=1), None, base=tiny)


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("output", r"its candidates are no list of \{\"text\": …, \"score\": …\}, of two texts at least, of which"),
        ("text", "its candidates have no scores, which say the better one"),
    ],
)
def test_candidates_of_another_form_are_named(field: str, told: str, tmp_path: Path, tiny: Loaded) -> None:
    path = tmp_path / "rows.jsonl"
    both = [{field: "Io."}, {field: "No."}]
    path.write_text(json.dumps({"instruction": "Name a moon.", "output": "Io.", "candidates": both}))
    with pytest.raises(DataError, match=rf"\(no_pair: {told}"):
        train([*read(str(path))], TrainOptions(objective="dpo"), None, base=tiny)
