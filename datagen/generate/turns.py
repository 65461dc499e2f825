"""What a chat template writes before the user's words: from a model's own folder or GGUF file, or by the name of a family.

Source: Xu et al. 2024 (Magpie), and the templates that the families publish. No template begins with the mark of the text's
beginning: servers add it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from datagen.chat.prompt import Prompt
from datagen.errors import ModelError, UsageError, did_you_mean


@dataclass(frozen=True)
class UserTurn:
    """The text that comes before the user's words, and the marks that end them."""

    head: str
    stop: tuple[str, ...]


# Per family: with a system message ("" = it has none), without one, and the marks that end a user's turn.
_FAMILIES = {
    "chatml": ("<|im_start|>system\n{}<|im_end|>\n<|im_start|>user\n", "<|im_start|>user\n", ("<|im_end|>",)),
    "llama3": (
        "<|start_header_id|>system<|end_header_id|>\n\n{}<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n",
        "<|start_header_id|>user<|end_header_id|>\n\n", ("<|eot_id|>",),
    ),
    "llama2": ("[INST] <<SYS>>\n{}\n<</SYS>>\n\n", "[INST] ", ("[/INST]",)),
    "mistral": ("[SYSTEM_PROMPT]{}[/SYSTEM_PROMPT][INST]", "[INST]", ("[/INST]",)),
    "gemma": ("", "<start_of_turn>user\n", ("<end_of_turn>",)),
    "phi3": ("<|system|>\n{}<|end|>\n<|user|>\n", "<|user|>\n", ("<|end|>",)),
    "deepseek": ("{}<｜User｜>", "<｜User｜>", ("<｜Assistant｜>",)),
}  # fmt: skip
FAMILIES = tuple(_FAMILIES)
# What a model's name gives away.
_NAMES = {
    "qwen": "chatml", "smollm": "chatml", "hermes": "chatml", "internlm": "chatml", "yi-": "chatml", "llama-3": "llama3",
    "llama3": "llama3", "llama-2": "llama2", "mistral": "mistral", "mixtral": "mistral", "gemma": "gemma", "phi-3": "phi3",
    "deepseek": "deepseek",
}  # fmt: skip


def family_of(model: str) -> str | None:
    """Return the template family that a model's name gives away, or None."""
    return next((family for part, family in _NAMES.items() if part in model.lower()), None)


def turn_of_family(family: str, system: str | None) -> UserTurn:
    """Return the user turn of a family, after a system message or none.

    Raises:
        UsageError: there is no such family, or it has no system message.
    """
    if family not in _FAMILIES:
        raise UsageError(f"there is no template '{family}'{did_you_mean(family, FAMILIES)}; a model's folder works too")
    with_system, without, stop = _FAMILIES[family]
    if system is None:
        return UserTurn(without, stop)
    if not with_system:
        raise UsageError(
            f"the template '{family}' has no system message, so it takes neither a language nor topics; use --system off"
        )
    return UserTurn(with_system.replace("{}", system), stop)


def system_message(language: str, topic: str | None, own: str | None) -> str:
    """Return the system message that steers whom the model believes to talk with; `own` is a folder of the user's prompts."""
    return Prompt("magpie", language, own).text(topic=topic)


@lru_cache(maxsize=4096)
def turn_of_model(model: Path, system: str | None) -> UserTurn:
    """Return the user turn of a model by the chat template in its folder or GGUF file.

    Raises:
        ModelError: it has no chat template, or one that changes the user's words.
    """
    from jinja2 import TemplateError
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    template, beginning = _template_of(model)
    here = "\u241f"
    messages = [{"role": "user", "content": here}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    try:
        text = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(template).render(
            messages=messages, bos_token=beginning, add_generation_prompt=False
        )  # fmt: skip
    except TemplateError as e:
        raise ModelError(f"the chat template of {model} cannot be filled in: {e}; use --method alpaca") from None
    head, found, tail = text.partition(here)
    if not found or not tail.strip():
        raise ModelError(f"the chat template of {model} does not mark the end of a user turn; use --method alpaca")
    return UserTurn(head, (tail.strip().split("\n")[0],))


def _template_of(model: Path) -> tuple[str, str]:
    """Return a model's chat template and the mark of a text's beginning that it may write; "" where a server adds the mark."""
    import json

    from datagen.models.gguf_file import read_gguf
    from datagen.models.names import is_gguf

    if is_gguf(str(model)):
        found = read_gguf(str(model))
        return found.template, "" if found.adds_beginning else found.begins_with
    path = model / "chat_template.jinja"
    if not path.is_file():
        raise ModelError(f"{model} has no chat_template.jinja, which the bare user turn needs; use --method alpaca")
    config = json.loads((model / "tokenizer_config.json").read_text(encoding="utf-8"))
    return path.read_text("utf-8"), config.get("bos_token") or ""
