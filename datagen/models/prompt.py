"""A prompt of the project in one language, ready to be filled in; rows and topics are data in it, never template."""

from __future__ import annotations

import hashlib
from typing import Any

from datagen import assets


def prompt_hash(*texts: str) -> str:
    """Return the digest by which a row names the prompt that it came from."""
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=8).hexdigest()


class Prompt:
    """One Jinja template of `prompts/`, sandboxed."""

    def __init__(self, name: str, language: str) -> None:
        """Read and compile it; raises UsageError where there is no such prompt."""
        from jinja2 import StrictUndefined
        from jinja2.sandbox import SandboxedEnvironment

        source = assets.prompt(name, language)
        self.hash = prompt_hash(source)
        self._template = SandboxedEnvironment(trim_blocks=True, undefined=StrictUndefined).from_string(source)

    def text(self, **values: Any) -> str:
        """Return the prompt with its values."""
        return self._template.render(**values).strip()

    def messages(self, **values: Any) -> list[dict[str, str]]:
        """Return the prompt as the one user message of a chat request."""
        return [{"role": "user", "content": self.text(**values)}]
