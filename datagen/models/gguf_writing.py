"""A model of the shape of Llama or Qwen2 as a GGUF file, for llama.cpp.

Names of tensors and keys are those of the `gguf` package (llama.cpp); what is not known to be right there is refused, with the
name of llama.cpp's own script.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from datagen.errors import ModelError, writing

SHAPES = {"llama": "LLAMA", "qwen2": "QWEN2"}  # model_type -> architecture
TYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
SCRIPT = "use convert_hf_to_gguf.py of llama.cpp (https://github.com/ggml-org/llama.cpp), which knows more families"
_DIGITS = {"type": "Digits", "individual_digits": True}
# The expressions by which byte-level vocabularies split a text, as tokenizer.json holds them -> llama.cpp's name for them.
_SPLITS = {
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+": "qwen2",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+":
        "llama-bpe",
}  # fmt: skip


def write_gguf(network: Any, tokenizer: Any, target: Path, dtype: str, name: str) -> None:
    """Write a model and its tokenizer as a GGUF file, whole or not at all.

    Args:
        network: a LlamaForCausalLM or Qwen2ForCausalLM; its weights are read in float32.
        tokenizer: its tokenizer, byte-level BPE.
        target: the file.
        dtype: of its matrices: float32, float16 or bfloat16; vectors stay in float32.
        name: what the file calls the model.

    Raises:
        ModelError: it has another shape, or a tokenizer that llama.cpp would split otherwise.
    """
    import gguf

    config = network.config
    shape = SHAPES.get(config.model_type)
    if shape is None:
        raise ModelError(f"a model of type {config.model_type} cannot be written as GGUF here: {SCRIPT}")
    architecture = getattr(gguf.MODEL_ARCH, shape)
    split = _split_of(tokenizer)
    rope = _rope(config)
    temporary = target.with_name(f".{target.name}.tmp")
    with writing(target):
        out: Any = gguf.GGUFWriter(temporary, gguf.MODEL_ARCH_NAMES[architecture], use_temp_file=True)
        out.add_name(name)
        out.add_file_type(getattr(gguf.LlamaFileType, "ALL_F32" if dtype == "float32" else f"MOSTLY_{TYPES[dtype]}"))
        _shape_keys(out, config, rope)
        _tokens(out, network, tokenizer, split)
        names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
        for tensor, values in _tensors(network, names):
            kind = gguf.GGMLQuantizationType[TYPES[dtype] if values.ndim > 1 else "F32"]
            out.add_tensor(tensor, gguf.quants.quantize(values, kind), raw_dtype=kind)
        out.write_header_to_file()
        out.write_kv_data_to_file()
        out.write_tensors_to_file()
        out.close()
        temporary.replace(target)


def _rope(config: Any) -> dict[str, Any]:
    """How positions turn; raises ModelError for a scaling that would have to be computed into the file."""
    rope = dict(getattr(config, "rope_parameters", None) or {})
    rope.setdefault("rope_theta", getattr(config, "rope_theta", 10_000.0))
    kind = rope.get("rope_type", "default")
    if kind not in ("default", "linear"):
        raise ModelError(f"positions scaled by {kind} cannot be written as GGUF here: {SCRIPT}")
    if getattr(config, "use_sliding_window", False):
        raise ModelError(f"attention in a sliding window cannot be written as GGUF here: {SCRIPT}")
    return rope


def _shape_keys(out: Any, config: Any, rope: dict[str, Any]) -> None:
    import gguf

    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    out.add_context_length(config.max_position_embeddings)
    out.add_embedding_length(config.hidden_size)
    out.add_block_count(config.num_hidden_layers)
    out.add_feed_forward_length(config.intermediate_size)
    out.add_head_count(heads)
    out.add_head_count_kv(config.num_key_value_heads)
    out.add_key_length(size)
    out.add_value_length(size)
    out.add_layer_norm_rms_eps(config.rms_norm_eps)
    out.add_rope_dimension_count(size)
    out.add_rope_freq_base(float(rope["rope_theta"]))
    if rope.get("rope_type") == "linear":
        out.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        out.add_rope_scaling_factor(float(rope["factor"]))


def _split_of(tokenizer: Any) -> str:
    """llama.cpp's name of the way in which a tokenizer splits a text before it merges.

    Raises:
        ModelError: it is no byte-level BPE, or splits in another way.
    """
    told = json.loads(tokenizer.backend_tokenizer.to_str())
    if told["model"].get("type") != "BPE" or told.get("normalizer") not in (None, {"type": "NFC"}):
        raise ModelError(f"its tokenizer is no byte-level BPE: {SCRIPT}")
    before = told["pre_tokenizer"] or {}
    parts = before["pretokenizers"] if before.get("type") == "Sequence" else [before]
    if not parts or parts[-1].get("type") != "ByteLevel" or parts[-1].get("add_prefix_space"):
        raise ModelError(f"its tokenizer is no byte-level BPE: {SCRIPT}")
    whole = parts[-1].get("use_regex", True)
    if len(parts) == 1 and whole:
        return "gpt-2"
    if parts[:-1] == [_DIGITS] and whole:
        return "smollm"
    split = parts[0].get("pattern", {}).get("Regex", "") if len(parts) == 2 and parts[0].get("type") == "Split" else ""
    if split in _SPLITS and not whole:
        return _SPLITS[split]
    raise ModelError(f"its tokenizer splits texts in a way that is not known here: {SCRIPT}")


def _tokens(out: Any, network: Any, tokenizer: Any, split: str) -> None:
    """Write the vocabulary; rows of the embeddings without a token get one that is never used."""
    from gguf import TokenType

    told = json.loads(tokenizer.backend_tokenizer.to_str())
    by_id = {number: token for token, number in tokenizer.get_vocab().items()}
    added = tokenizer.added_tokens_decoder
    size = network.get_input_embeddings().weight.shape[0]
    kinds = []
    for number in range(size):
        token = added.get(number)
        special = TokenType.CONTROL if token is not None and token.special else TokenType.USER_DEFINED
        kinds.append(special if token is not None else TokenType.NORMAL if number in by_id else TokenType.UNUSED)
    merges = [m if isinstance(m, str) else " ".join(m) for m in told["model"]["merges"]]
    out.add_tokenizer_model("gpt2")
    out.add_tokenizer_pre(split)
    out.add_token_list([by_id.get(number, f"[PAD{number}]") for number in range(size)])
    out.add_token_types(kinds)
    out.add_token_merges(merges)
    ends = getattr(network.generation_config, "eos_token_id", None)
    ends = [ends] if isinstance(ends, int) else list(ends or [])
    first = tokenizer.eos_token_id if tokenizer.eos_token_id is not None else next(iter(ends), None)
    marks = {
        out.add_bos_token_id: tokenizer.bos_token_id, out.add_eos_token_id: first, out.add_pad_token_id: tokenizer.pad_token_id,
        out.add_eot_token_id: next((end for end in ends if end != first), None),
    }  # fmt: skip
    for add, mark in marks.items():
        if mark is not None:
            add(mark)
    made = tokenizer("x", verbose=False)["input_ids"]
    out.add_add_bos_token(tokenizer.bos_token_id is not None and made[:1] == [tokenizer.bos_token_id])
    if tokenizer.chat_template:
        out.add_chat_template(tokenizer.chat_template)


def _tensors(network: Any, names: Any) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Yield llama.cpp's names of the weights and their values, float32."""
    tied = network.config.tie_word_embeddings
    for name, weight in network.state_dict().items():
        if tied and name == "lm_head.weight":
            continue
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise ModelError(f"a weight called {name} cannot be written as GGUF here: {SCRIPT}")
        values = weight.detach().cpu().float().numpy()
        if network.config.model_type == "llama" and name.rpartition(".")[0].endswith(("q_proj", "k_proj")):
            heads = network.config.num_attention_heads if "q_proj" in name else network.config.num_key_value_heads
            # llama.cpp turns neighbouring pairs of a Llama's numbers, transformers one half with the other.
            values = (
                values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)
            )
        yield found, np.ascontiguousarray(values)
