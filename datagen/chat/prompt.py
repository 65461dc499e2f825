"""A prompt of the project in one language, ready to be filled in; rows and topics are data in it, never template."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from datagen import assets
from datagen.errors import UsageError


def prompt_hash(*texts: str) -> str:
    """Return the digest by which a row names the prompt that it came from."""
    return hashlib.blake2b("\0".join(texts).encode(), digest_size=8).hexdigest()


class Prompt:
    """One Jinja template of `prompts/`, sandboxed."""

    def __init__(self, name: str, language: str, own: str | None = None) -> None:
        """Read and compile it, the user's own first; raises UsageError where there is none, or it is no template."""
        from jinja2 import TemplateSyntaxError

        source = assets.prompt(name, language, own)
        self.hash, self._name = prompt_hash(source), f"{name}.{language}.jinja"
        try:
            self._template = _compiled(source)
        except TemplateSyntaxError as e:
            raise UsageError(f"{self._name}, line {e.lineno}: not a template: {e.message}") from None

    def text(self, **values: Any) -> str:
        """Return the prompt with its values; raises UsageError where a user's template cannot be filled in."""
        from jinja2 import TemplateError

        try:
            return str(self._template.render(**values)).strip()
        except (TemplateError, TypeError, ValueError, ArithmeticError) as e:
            known = ", ".join(sorted(values))
            raise UsageError(f"{self._name}: {' '.join(str(e).split())}; the values are {known}") from None

    def messages(self, **values: Any) -> list[dict[str, str]]:
        """Return the prompt as the one user message of a chat request."""
        return [{"role": "user", "content": self.text(**values)}]


@lru_cache(maxsize=64)  # the steps of a run share their prompts
def _compiled(source: str) -> Any:
    from jinja2 import StrictUndefined
    from jinja2.sandbox import SandboxedEnvironment

    return SandboxedEnvironment(trim_blocks=True, undefined=StrictUndefined).from_string(source)
