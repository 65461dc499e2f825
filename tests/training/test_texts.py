"""What of a row becomes text: its length, its turns, its examples, its end; and the settings of known models."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from datagen import options as option_fields
from datagen.data.rows import Row, new_row, turn
from datagen.errors import DataError, UsageError
from datagen.kinds.train import Train
from datagen.models.adapter import loaded
from datagen.render.options import Rendering
from datagen.training import presets
from datagen.training.loop import TrainOptions, train
from datagen.training.options import trainer_options
from datagen.training.shaping import shaped, with_exemplars
from datagen.training.texts import samples_of

Loaded = tuple[Any, Any]


def taught(tokenizer: Any, row: Row, **more: Any) -> list[str]:
    """What of each text of a row is taught."""
    samples, left_out = samples_of([row], tokenizer, more.pop("most", 512), **more)
    assert not left_out, left_out
    return [tokenizer.decode([i for i in s.labels if i != -100]) for s in samples]


CONVERSATION = new_row(
    system="Be kind.",
    messages=[turn("user", "one?"), turn("assistant", "ONE"), turn("user", "two?"), turn("assistant", "TWO")],
)


def test_all_tokens_are_taught_or_the_last_answer_alone(tiny: Loaded) -> None:
    tokenizer = tiny[1]
    (everything,) = taught(tokenizer, CONVERSATION, how=Rendering(train_on_all=True))
    (sample,), _ = samples_of([CONVERSATION], tokenizer, 512)
    assert everything == tokenizer.decode(sample.input_ids[1:])
    (last,) = shaped([CONVERSATION], TrainOptions(train_on="last"))
    assert [text.strip() for text in taught(tokenizer, last)] == ["TWO<|im_end|>"]
    assert "ONE" in taught(tokenizer, CONVERSATION)[0]


def test_the_system_prompt_stands_before_every_question(tiny: Loaded) -> None:
    (row,) = shaped([CONVERSATION], TrainOptions(system_every_turn=True))
    assert [t["content"] for t in row["messages"]] == ["one?", "ONE", "Be kind.\n\ntwo?", "TWO"]
    text = tiny[1].decode(samples_of([row], tiny[1], 512)[0][0].input_ids)
    assert text.count("Be kind.") == 2


@pytest.mark.parametrize(("language", "word"), [("en", "Task: "), ("zh", "任务："), ("th", "โจทย์: ")])
def test_solved_examples_are_of_other_rows_of_the_same_source(language: str, word: str) -> None:
    rows = [new_row(instruction=f"q{n}", output=f"a{n}", source="xy"[n % 2], language=language) for n in range(40)]
    found = with_exemplars(rows, 3, 17, rows)
    assert [r["id"] for r in found] == [r["id"] for r in rows] and [r["output"] for r in found] == [r["output"] for r in rows]
    for n, row in enumerate(found):
        shown = [int(part.split("\n")[0][1:]) for part in row["instruction"].split(word)[1:]]
        assert len(shown) == 4 and shown[-1] == n and len(set(shown)) == 4 and all(m % 2 == n % 2 for m in shown)
    assert with_exemplars(rows, 3, 17, rows) == found != with_exemplars(rows, 3, 18, rows)
    assert with_exemplars(rows[:1], 3, 17, rows[:1]) == rows[:1]  # there is none but itself
    assert with_exemplars(rows[5:9], 1, 17, rows) == with_exemplars(rows, 1, 17, rows)[5:9]


def long_rows() -> tuple[Row, Row, Row]:
    prompt = new_row(instruction="word " * 300, output="short answer")
    answer = new_row(instruction="short", output="word " * 300)
    turns = [turn(role, f"{role} {n} " + "talk " * 20) for n in range(8) for role in ("user", "assistant")]
    return prompt, answer, new_row(messages=turns)


def test_long_texts_are_cut_where_that_is_asked_for(tiny: Loaded) -> None:
    prompt, answer, _ = long_rows()
    tokenizer = tiny[1]
    whole, _ = samples_of([prompt], tokenizer, 4096)
    (cut,), left_out = samples_of([prompt], tokenizer, 64, overflow="truncate")
    assert not left_out and len(cut.input_ids) == 64 and cut.input_ids[0] == whole[0].input_ids[0]
    assert cut.input_ids[1:] == whole[0].input_ids[-63:]
    assert [i for i in cut.labels if i != -100] == [i for i in whole[0].labels if i != -100]
    (cut,), _ = samples_of([answer], tokenizer, 64, overflow="truncate")
    assert len(cut.input_ids) == 64 and cut.labels[-1] == cut.input_ids[-1] != tokenizer.eos_token_id
    assert samples_of([prompt, answer], tokenizer, 64)[1] == [(prompt["id"], "too_long"), (answer["id"], "too_long")]


def test_a_long_conversation_goes_on_as_another(tiny: Loaded) -> None:
    *_, row = long_rows()
    tokenizer = tiny[1]
    whole = taught(tokenizer, row, most=4096)
    pieces, left_out = samples_of([row], tokenizer, 300, overflow="split-turns")
    assert not left_out and len(pieces) > 1 and [s.part for s in pieces] == list(range(len(pieces)))
    assert all(len(s.input_ids) <= 300 for s in pieces)
    assert "".join(tokenizer.decode([i for i in s.labels if i != -100]) for s in pieces) == whole[0]
    system = {**row, "system": "Be kind."}
    for s in samples_of([system], tokenizer, 300, overflow="split-turns")[0]:
        assert "Be kind." in tokenizer.decode(s.input_ids)
    assert samples_of([row], tokenizer, 20, overflow="split-turns")[1] == [(row["id"], "too_long")]


def test_many_long_rows_stop_a_run_until_it_is_said_what_to_do(tiny: Loaded) -> None:
    rows = [*long_rows(), *(new_row(instruction=str(n), output="x") for n in range(20))]
    with pytest.raises(DataError, match="3 of 23 rows are longer than 64 tokens: --overflow drop leaves them out"):
        train(rows, TrainOptions(max_length=64, steps=1), None, base=tiny)
    assert len(train(rows, TrainOptions(max_length=64, steps=1, overflow="drop"), None, base=tiny).left_out) == 3
    assert train(rows, TrainOptions(max_length=64, steps=1, overflow="truncate"), None, base=tiny).left_out == []


@pytest.mark.slow
@pytest.mark.parametrize("method", ["lora", "full"])
def test_an_end_token_of_ones_own_is_put_into_template_and_model(
    method: Any, tiny: Loaded, tiny_dir: Path, sums: list[Row], tmp_path: Path
) -> None:
    options = TrainOptions(
        model=str(tiny_dir), method=method, eot_token="<|eot|>", steps=12, lr=2e-2, dtype="float32", schedule="constant"
    )
    ran = train(sums, options, tmp_path, sums)
    folder = ran.folder
    assert folder is not None
    network, tokenizer = loaded(str(folder), "cpu", "float32")
    token = tokenizer.convert_tokens_to_ids("<|eot|>")
    assert tokenizer.eos_token == "<|eot|>" and token == len(tiny[1]) == network.get_input_embeddings().weight.shape[0] - 1
    assert token in json.loads((folder / "generation_config.json").read_text())["eos_token_id"]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], tokenize=False
    )
    assert text.count("<|eot|>") == 2 and "<|im_end|>" not in text
    again = train(sums, TrainOptions(steps=1, lr=1e-9), None, sums, base=(network, tokenizer))
    assert again.eval_before and ran.eval_after
    assert again.eval_before["loss"] == pytest.approx(ran.eval_after["loss"], rel=1e-5)
    with torch.no_grad():
        row = network.get_input_embeddings().weight[token]
        assert not torch.allclose(row, network.get_input_embeddings().weight[:token].mean(0), atol=1e-4)  # it was trained


def test_an_end_token_leaves_a_shared_base_alone(tiny: Loaded, sums: list[Row]) -> None:
    before, size = {n: p.clone() for n, p in tiny[0].state_dict().items()}, len(tiny[1])
    train(sums, TrainOptions(eot_token="<|eot|>", steps=2), None, base=tiny)
    assert len(tiny[1]) == size and all(torch.equal(p, before[n]) for n, p in tiny[0].state_dict().items())
    with pytest.raises(UsageError, match="option 'eot_token' is of method full or lora or dora, not ia3"):
        TrainOptions(eot_token="<|eot|>", method="ia3")


@pytest.mark.parametrize("name", presets.names())
def test_every_value_of_a_preset_is_an_option_and_says_where_it_is_written(name: str) -> None:
    found = presets.preset(name)
    known = {f.name for f in fields(TrainOptions)}
    assert set(found) == {"about", "values", "not_done"} and found["about"]
    assert set(found["values"]) <= known and all(one["source"] for one in found["values"].values())
    made = option_fields.build(Train, {"preset": name, "model": "x"}, "train")
    for option, value in presets.values(name).items():
        held = getattr(made, option)
        assert held == (float(value) if isinstance(held, float) else value), option


def test_what_is_given_goes_before_a_preset() -> None:
    made = option_fields.build(Train, {"preset": "lima", "lr": "3e-5", "epochs": 2}, "train")
    assert (made.lr, made.epochs, made.batch_size, made.lr_end, made.eot_token) == (3e-5, 2.0, 32, 1e-6, "<|eot|>")
    with pytest.raises(UsageError, match="there is no preset 'limo'; did you mean 'lima'"):
        option_fields.build(Train, {"preset": "limo"}, "train")


def test_a_preset_that_does_not_fit_the_model_is_one_line(tiny: Loaded, sums: list[Row]) -> None:
    options = option_fields.build(Train, {"preset": "llama2"}, "train")
    tiny[0].config.max_position_embeddings = 1024
    said = "the preset llama2 has texts of 4,096 tokens, and the model reads 1,024: give --max-length 1024"
    with pytest.raises(UsageError, match=said):
        train(sums, trainer_options(options), None, base=tiny)


def test_two_answers_lose_the_same_of_their_task_and_each_its_own_end(tiny: tuple[Any, Any]) -> None:
    words = " ".join(f"word{n}" for n in range(20))
    chosen, rejected = "yes it is so", " ".join(["no"] * 200)
    pair = [{"text": chosen, "score": 1.0, "source": None}, {"text": rejected, "score": 0.0, "source": None}]
    row = {**new_row(instruction=words, output=chosen), "candidates": pair}
    (sample,), left_out = samples_of([row], tiny[1], 64, objective="dpo", overflow="truncate")
    assert left_out == [] and sample.rejected is not None
    assert len(sample.rejected.input_ids) == 64
    assert sample.label_tokens and sample.rejected.label_tokens
    first = [next(at for at, label in enumerate(t.labels) if label != -100) for t in sample.texts]
    assert first[0] == first[1] and sample.input_ids[: first[0]] == sample.rejected.input_ids[: first[1]]
