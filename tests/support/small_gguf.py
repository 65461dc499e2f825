"""Writes GGUF files of two random layers with a tokenizer of single bytes: models of a family that datagen does not ship."""

from __future__ import annotations

from pathlib import Path

import numpy as np

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
BROKEN = "{% for message in messages %}{{ message['content'] }"
WIDTH, HEADS, HIDDEN, LAYERS, CONTEXT = 64, 2, 128, 2, 2048


def write_small_gguf(path: Path, *, template: str | None = CHATML, architecture: str = "qwen2", begins: bool = False) -> Path:
    """Write a Qwen2 of two layers with random weights.

    Args:
        path: of the file.
        template: its chat template, None for none.
        architecture: what the file says it is.
        begins: the server puts `<|endoftext|>` before every text.
    """
    from gguf import GGUFWriter, TokenType

    letters = _letters()
    a, b = letters[ord("a")], letters[ord("b")]
    plain = [*letters, a + b]
    tokens = [*plain, "<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    out = GGUFWriter(path, architecture)
    out.add_name("small")
    out.add_context_length(CONTEXT)
    out.add_embedding_length(WIDTH)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(HIDDEN)
    out.add_head_count(HEADS)
    out.add_head_count_kv(HEADS)
    out.add_layer_norm_rms_eps(1e-6)
    out.add_rope_freq_base(10_000.0)
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre("qwen2")
    out.add_token_list(tokens)
    out.add_token_types([TokenType.NORMAL] * len(plain) + [TokenType.CONTROL] * 3)
    out.add_token_merges([f"{a} {b}"])
    out.add_eos_token_id(len(tokens) - 1)
    out.add_pad_token_id(len(tokens) - 3)
    out.add_bos_token_id(len(tokens) - 3)
    out.add_add_bos_token(begins)
    if template is not None:
        out.add_chat_template(template)
    for name, shape in _shapes(len(tokens)).items():
        out.add_tensor(name, _values(name, shape))
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return path


def _letters() -> list[str]:
    """The character that stands for each byte in a byte-level tokenizer (GPT-2)."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(b) if b in plain else chr(next(others)) for b in range(256)]


def _shapes(vocabulary: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"output_norm.weight": (WIDTH,)}
    shapes |= {f"{part}.weight": (vocabulary, WIDTH) for part in ("token_embd", "output")}
    for i in range(LAYERS):
        for part in ("q", "k", "v"):
            shapes |= {f"blk.{i}.attn_{part}.weight": (WIDTH, WIDTH), f"blk.{i}.attn_{part}.bias": (WIDTH,)}
        shapes |= {f"blk.{i}.attn_output.weight": (WIDTH, WIDTH), f"blk.{i}.attn_norm.weight": (WIDTH,)}
        shapes |= {f"blk.{i}.ffn_{part}.weight": (HIDDEN, WIDTH) for part in ("gate", "up")}
        shapes |= {f"blk.{i}.ffn_down.weight": (WIDTH, HIDDEN), f"blk.{i}.ffn_norm.weight": (WIDTH,)}
    return shapes


def _values(name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name.endswith("norm.weight"):
        return np.ones(shape, np.float32)
    draw = np.random.default_rng(sum(name.encode()))
    values = (draw.standard_normal(shape) * 0.1).astype(np.float32)
    if name == "token_embd.weight":
        values[:, 0] = 0.5  # the same in every state: by it the other end keeps to plain letters
    if name == "output.weight":
        values *= 3
        values[:, 0] = -4.0
        values[32 : len(values) - 3, 0] = np.where(np.arange(32, len(values) - 3) < 127, 0.0, -4.0)
    return values
