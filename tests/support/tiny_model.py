"""The tiny model of the tests: two layers of random weights, a tokenizer of 1,000 tokens, a ChatML template.

`python tests/support/tiny_model.py` writes it to `tests/support/tiny/`, where it is kept: loading it takes a few milliseconds.
It says nothing sensible; what is right of a loss, a probability or a gradient is as right of its weights as of any.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TINY = HERE / "tiny"
VOCABULARY = 1000
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def tokenizer() -> Any:
    """Byte-level BPE of the English prompts and seed tasks; its pad is its eos, as in many models."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)  # a score is a token of its own
    bpe.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    bpe.decoder = decoders.ByteLevel()
    top = HERE.parents[1]
    corpus = [p.read_text("utf-8") for p in (*sorted((top / "prompts").glob("*.en.jinja")), top / "seed_tasks" / "en.jsonl")]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bpe.train_from_iterator(
        corpus,
        trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False),
    )
    made = PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|im_end|>", bos_token="<|im_start|>", model_max_length=4096
    )
    made.chat_template = CHATML
    return made


def network(vocabulary: int) -> Any:
    """Random weights of seed 0."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=vocabulary, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=4096, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2,
        pad_token_id=2,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return LlamaForCausalLM(config)


if __name__ == "__main__":
    made = tokenizer()
    network(len(made)).save_pretrained(TINY)
    made.save_pretrained(TINY)
