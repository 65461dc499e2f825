"""Small random models of several architectures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers as t

_SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
_GROUPED = {**_SMALL, "num_key_value_heads": 2}
ARCHITECTURES: dict[str, Callable[..., Any]] = {
    "llama": lambda **k: t.LlamaForCausalLM(t.LlamaConfig(**_GROUPED, **k)),
    "qwen2": lambda **k: t.Qwen2ForCausalLM(t.Qwen2Config(**_GROUPED, **k)),
    "gemma": lambda **k: t.GemmaForCausalLM(t.GemmaConfig(**_GROUPED, head_dim=8, **k)),
    "gpt_neox": lambda **k: t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**_SMALL, **k)),
}


def made(name: str, vocabulary: int, **more: Any) -> Any:
    """Return a model with the same weights each time."""
    torch.manual_seed(0)
    return ARCHITECTURES[name](vocab_size=vocabulary, max_position_embeddings=512, **more).eval()
