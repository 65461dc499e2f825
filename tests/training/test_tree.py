"""Token trees: what texts have in common is computed once, and every loss and gradient stays as it is."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from datagen.errors import ModelError
from datagen.models.causal_lm import load
from datagen.training.arrangement import chosen
from datagen.training.attention import UnsupportedError
from datagen.training.batches import Sample
from datagen.training.loss import Network, label_head, label_loss
from datagen.training.passes import Arrangement, Layout, grown, padded, passes, split_of
from datagen.training.tree import Tree, read_length, shared_length, trees


def sample(name: str, ids: list[int], first: int, weights: list[float] | None = None) -> Sample:
    return Sample(name, "s", 1, ids, [-100 if at < first else i for at, i in enumerate(ids)], weights)


def path_of(tree: Tree, place: int) -> list[int]:
    """The tokens that a place of a tree comes from, itself the last."""
    node = next(node for node in tree.nodes if node.start <= place < node.end)
    return [tree.ids[i] for start, end in (*node.before, (node.start, place + 1)) for i in range(start, end)]


TEXTS = st.lists(st.tuples(st.lists(st.integers(0, 1), min_size=2, max_size=12), st.integers(1, 11)), min_size=1, max_size=12)


@given(TEXTS, st.integers(1, 30), st.integers(1, 6))
def test_every_label_is_predicted_from_its_own_text(texts: list[tuple[list[int], int]], most: int, shared: int) -> None:
    samples = [sample(str(i), ids, min(first, len(ids) - 1)) for i, (ids, first) in enumerate(texts)]
    found = trees(samples, most, shared)
    assert sorted(s.id for tree in found for s in tree.samples) == sorted(s.id for s in samples)
    for tree in found:
        assert [node.start for node in tree.nodes[1:]] == [node.end for node in tree.nodes[:-1]]
        assert tree.nodes[-1].end == len(tree.ids) and all(node.end > node.start for node in tree.nodes)
        seen: dict[int, list[int]] = {}
        for at, target, row in zip(tree.at, tree.targets, tree.rows, strict=True):
            whole = tree.samples[row].input_ids
            path = path_of(tree, at)
            assert whole[: len(path)] == path and whole[len(path)] == target
            assert tree.positions[at] == len(path) - 1
            seen.setdefault(row, []).append(len(path))
        for row, one in enumerate(tree.samples):
            assert sorted(seen[row]) == [at for at in range(1, len(one.labels)) if one.labels[at] != -100]
        read = [s.input_ids[: read_length(s)] for s in tree.samples]
        common = min(shared_length(read[0], other) for other in read)  # it is there once, however long it is
        assert len(tree.samples) == 1 or len(tree.ids) - (common if common >= shared else 0) <= most


def test_a_shared_prompt_is_there_once_and_nothing_after_the_last_label_is_read() -> None:
    system = list(range(50, 70))
    samples = [sample(str(i), [*system, i, i + 1, 99], 21) for i in range(4)]
    samples.append(Sample("cut", "s", 1, [*system, 7, 8, 5, 5, 5], [-100] * 21 + [8, -100, -100, -100], None))
    (tree,) = trees(samples, 1000, 16)
    assert len(tree.ids) == 20 + 4 * 2 + 1
    assert [(node.start, node.end, node.before) for node in tree.nodes[:2]] == [(0, 20, ()), (20, 22, ((0, 20),))]
    assert read_length(samples[-1]) == 21
    assert sum(len(t.ids) for t in trees(samples, 1000, 2**31)) == 4 * 22 + 21


def _models() -> dict[str, Any]:
    import transformers as t

    small = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 97}
    grouped = {**small, "num_key_value_heads": 2}
    ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    gpt2 = {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 97, "attn_pdrop": 0.0, "resid_pdrop": 0.0, "embd_pdrop": 0.0}
    opt = {"ffn_dim": 48, "max_position_embeddings": 256, "word_embed_proj_dim": 32, "dropout": 0.0}
    return {
        "llama": lambda: t.LlamaForCausalLM(t.LlamaConfig(**grouped)),
        "qwen2": lambda: t.Qwen2ForCausalLM(t.Qwen2Config(**grouped)),
        "qwen3": lambda: t.Qwen3ForCausalLM(t.Qwen3Config(**grouped, head_dim=8)),
        "phi3": lambda: t.Phi3ForCausalLM(t.Phi3Config(**grouped, **ends)),
        "olmo2": lambda: t.Olmo2ForCausalLM(t.Olmo2Config(**grouped)),
        "granite": lambda: t.GraniteForCausalLM(t.GraniteConfig(**grouped, logits_scaling=4.0)),
        "mixtral": lambda: t.MixtralForCausalLM(t.MixtralConfig(**grouped, num_local_experts=4, sliding_window=None)),
        "gpt_neox": lambda: t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**small)),
        "gpt2": lambda: t.GPT2LMHeadModel(t.GPT2Config(**gpt2)),
        "opt": lambda: t.OPTForCausalLM(t.OPTConfig(**{k: v for k, v in small.items() if k != "intermediate_size"}, **opt)),
        "mistral": lambda: t.MistralForCausalLM(t.MistralConfig(**grouped, sliding_window=8)),
        "gemma2": lambda: t.Gemma2ForCausalLM(t.Gemma2Config(**grouped, head_dim=8, sliding_window=8)),
        "bloom": lambda: t.BloomForCausalLM(t.BloomConfig(hidden_size=32, n_layer=2, n_head=4, vocab_size=97)),
    }


MODELS = _models()
FALL_BACK = ("mistral", "gemma2", "bloom")


def model_of(name: str) -> Any:
    torch.manual_seed(0)
    return MODELS[name]().eval()


def texts() -> list[Sample]:
    """Texts that share a prompt, two of them a beginning of their answers, too; one alone; one with weights."""
    draw = torch.Generator().manual_seed(3)
    some = lambda n: torch.randint(3, 97, (n,), generator=draw).tolist()  # noqa: E731
    prompt, answer = some(20), some(18)
    one = [*prompt, *answer, *some(5)]
    found = [sample("a", one, 22), sample("b", [*prompt, *answer, *some(9)], 24), sample("c", [*prompt, *some(6)], 20)]
    return [*found, sample("alone", some(30), 5), sample("w", [*prompt, *some(4)], 20, [0.0] * 20 + [2.0, 1.0, 1.0, 0.5])]


def measured(
    model: Any, how: Arrangement, samples: list[Sample], most: int = 1000
) -> tuple[float, torch.Tensor, dict[str, float]]:
    model.zero_grad()
    head, total, by_text = label_head(model), 0.0, dict[str, float]()
    for batch in passes(samples, how, most):
        loss, each = label_loss(head, batch)
        loss.backward()
        total += loss.item()
        by_text |= dict(zip((s.id for s in batch.samples), each.tolist(), strict=True))
    return total, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]), by_text


@pytest.mark.parametrize("name", [n for n in MODELS if n not in FALL_BACK])
def test_a_tree_and_a_pack_give_the_losses_and_gradients_of_separate_texts(name: str) -> None:
    model, samples = model_of(name), texts()
    loss, gradient, by_text = measured(model, "padded", samples, 1)  # each text by itself
    for how, most in (("tree", 1000), ("tree", 60), ("packed", 1000), ("padded", 1000)):
        other, its, each = measured(model, how, samples, most)  # type: ignore[arg-type]
        assert other == pytest.approx(loss, rel=2e-6)
        assert ((its - gradient).norm() / gradient.norm()).item() < 2e-6
        assert each == pytest.approx(by_text, rel=1e-5)
    assert model.config._attn_implementation in ("sdpa", "eager")  # as it was


@pytest.mark.parametrize("name", FALL_BACK)
def test_a_model_whose_attention_does_more_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedError):
        measured(model_of(name), "tree", texts())


def test_a_rectangle_and_a_tree_say_whose_label_each_is() -> None:
    samples = texts()
    for batch in (padded(samples), *(grown(tree) for tree in trees(samples, 1000))):
        counts = torch.bincount(batch.rows, minlength=len(batch.samples)).tolist()
        assert counts == [s.label_tokens for s in batch.samples]


def test_the_arrangement_is_found_by_gradients_and_windows() -> None:
    samples = texts()
    for name in MODELS:
        model = model_of(name)
        trained = dict(model.named_parameters())
        expected = "padded" if name in FALL_BACK else "tree"
        assert chosen(model, Network(model), trained, samples) == expected, name
        assert all(p.grad is None for p in trained.values())
    wide = MODELS["mistral"]()
    wide.config.sliding_window = 4096
    assert chosen(wide, Network(wide), dict(wide.named_parameters()), samples) == "tree"  # no text is as long


def test_a_model_that_mixes_texts_in_silence_is_found(caplog: pytest.LogCaptureFixture) -> None:
    model = model_of("llama")
    layer = model.model.layers[0]
    inner = layer.mlp.forward
    layer.mlp.forward = lambda x: inner(x) + 0.01 * x.mean(1, keepdim=True)  # what no argument of its attention tells
    samples = texts()
    assert chosen(model, Network(model), dict(model.named_parameters()), samples) == "separate"  # padding is mixed in, too
    assert "texts go through this model one by one, which is slower (tree: gradient off by " in caplog.text


@pytest.mark.slow
def test_the_embedded_model_takes_trees_whatever_its_rounding(caplog: pytest.LogCaptureFixture) -> None:
    """Its activations are large: what a product of other shape rounds otherwise is 1e-5 of its gradient, in each program."""
    model, _ = load("smollm2", "cpu", "float32")
    before = torch.get_num_threads()
    torch.set_num_threads(2)  # which rounds worse than one
    try:
        assert chosen(model, Network(model), dict(model.named_parameters()), texts()) == "tree"
    finally:
        torch.set_num_threads(before)
    assert "slower" not in caplog.text


def test_trees_are_computed_in_bfloat16_too() -> None:
    model, samples = model_of("llama"), texts()
    head = label_head(model)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.no_grad():
        found = {how: sum(label_loss(head, b)[0].item() for b in passes(samples, how, 999)) for how in ("padded", "tree")}
    assert found["tree"] == pytest.approx(found["padded"], rel=5e-3)


def test_a_text_whose_only_label_is_its_first_token_costs_nothing_and_breaks_nothing() -> None:
    model = model_of("llama")
    silent = [Sample("one", "s", 1, [5], [5], None), Sample("two", "s", 1, [5, 6], [5, -100], None)]
    arrangements: tuple[Arrangement, ...] = ("tree", "packed", "padded")
    for how in arrangements:
        alone, _, _ = measured(model, how, silent)
        both, _, each = measured(model, how, [*silent, *texts()])
        rest, _, _ = measured(model, how, texts())
        assert alone == 0.0 and both == pytest.approx(rest, rel=1e-6) and each["one"] == each["two"] == 0.0


def test_a_long_prompt_is_there_once_however_long_it_is() -> None:
    for size in (300, 960, 2000):
        prompt = [n % 50 for n in range(size)]
        samples = [sample(str(i), [*prompt, 60 + i, *range(40)], size) for i in range(16)]
        tokens = [len(tree.ids) for tree in trees(samples, 1024)]
        assert sum(tokens) < size * (len(tokens) + 1) + 16 * 42 and len(tokens) <= 4


@pytest.mark.slow
def test_a_tree_stays_within_its_tokens_though_texts_share_almost_all() -> None:
    root = list(range(20))
    near = [sample(str(i), [*root, *range(i // 40, i // 40 + 15), 50 + i % 40, 51], 20) for i in range(1600)]
    assert max(len(tree.ids) for tree in trees(near, 1024)) <= 1024 + 20
    same = [sample(str(i), list(range(30)), 10) for i in range(20_000)]
    assert max(len(tree.samples) for tree in trees(same, 1024)) <= 1100


@pytest.mark.slow
def test_texts_that_begin_each_other_are_a_tree_in_no_time() -> None:
    samples = [sample(str(i), [7] * (20 + i), 10 + i) for i in range(1000)]
    began = time.process_time()
    (tree,) = trees(samples, 10**9)
    assert time.process_time() - began < 5.0
    assert len(tree.ids) <= 1000 * 20


def short_and_long(first: int) -> list[Sample]:
    """Texts that begin with one token and are learned from it on, and a longer one."""
    g = torch.Generator().manual_seed(5)
    some = {n: torch.randint(3, 97, (n,), generator=g).tolist() for n in (5, 40)}
    many = [torch.randint(3, 97, (5,), generator=g).tolist() for _ in range(16)]
    return [*(sample(str(i), [first, *ids], 1) for i, ids in enumerate(many)), sample("long", [first, *some[40]], 20)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lfm2", "bamba", "deepseek_v32", "longrope", "minimax_m3"])
@pytest.mark.parametrize("first", [1, 96])
def test_what_leaks_from_text_to_text_in_some_models_is_never_taken_for_a_tree(name: str, first: int) -> None:
    import transformers as t

    small = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    small |= {"num_key_value_heads": 2, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    rope = {"rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0] * 4, "long_factor": [4.0] * 4}
    rope["original_max_position_embeddings"] = 30
    torch.manual_seed(0)
    made = {
        "lfm2": lambda: t.Lfm2ForCausalLM(t.Lfm2Config(**small, layer_types=["conv", "full_attention"])),
        "bamba": lambda: t.BambaForCausalLM(t.BambaConfig(**small, mamba_n_heads=4, mamba_d_head=16, mamba_d_state=8)),
        "longrope": lambda: t.Phi3ForCausalLM(
            t.Phi3Config(**small, max_position_embeddings=512, original_max_position_embeddings=30, rope_parameters=rope)
        ),
        "deepseek_v32": lambda: t.DeepseekV32ForCausalLM(t.DeepseekV32Config(
            **{**small, "num_key_value_heads": 4}, moe_intermediate_size=16, n_routed_experts=4, num_experts_per_tok=2,
            q_lora_rank=16, kv_lora_rank=16, qk_rope_head_dim=8, qk_nope_head_dim=8, v_head_dim=8, index_n_heads=2,
            index_head_dim=16, n_group=1, topk_group=1,
        )),
        "minimax_m3": lambda: t.MiniMaxM3VLForCausalLM(t.MiniMaxM3VLTextConfig(
            **small, head_dim=8, num_local_experts=4, num_experts_per_tok=2, index_block_size=8, index_topk_blocks=2,
        )),
    }  # fmt: skip
    try:
        model = made[name]().train()
    except (AttributeError, TypeError, ValueError, KeyError) as error:
        pytest.skip(f"this transformers has no such model: {error}")
    samples = short_and_long(first)
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    network = Network(model)
    how = chosen(model, network, trained, samples)
    assert how in (("tree", "packed") if name == "longrope" else ("padded", "separate"))
    found = []
    for layout in (Layout("separate"), Layout(how, split_at=split_of(model))):
        model.zero_grad()
        for batch in layout.passes(samples):
            network(batch)[0].backward()
        found.append(torch.cat([p.grad.flatten() for p in trained.values() if p.grad is not None]))
    assert (found[0] - found[1]).norm() <= 1e-5 * found[0].norm()


def test_a_head_with_a_cap_of_any_name_is_not_cut() -> None:
    import transformers as t

    small = {"vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 1}
    config = t.RecurrentGemmaConfig(**small, intermediate_size=48, lru_width=32, head_dim=8)
    model = t.RecurrentGemmaForCausalLM(config).eval()
    states = torch.ones(1, 97)
    assert torch.equal(label_head(model).logits(states), states)


def test_a_model_that_cannot_be_run_is_one_line() -> None:
    model = model_of("llama")

    def score(batch: Any) -> Any:
        raise TypeError("no such thing")

    with pytest.raises(ModelError, match="this model cannot be trained so: TypeError: no such thing"):
        chosen(model, score, dict(model.named_parameters()), texts())
