"""A tokenizer, and the texts of a row under a template."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from datagen.data.rows import Row
from datagen.models.weights import smollm2_dir
from datagen.render.labels import IGNORED, encode
from datagen.render.options import Rendering
from datagen.render.sequences import rendered


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(smollm2_dir())


@pytest.fixture
def shown(tokenizer: Any) -> Iterator[Callable[..., list[str]]]:
    """Give a function: the texts of a row under a template, what is taught between `[[` and `]]`."""
    own = tokenizer.chat_template

    def show(template: str, row: Row, how: Rendering | None = None) -> list[str]:
        tokenizer.chat_template = template
        texts = []
        for one in rendered(row, tokenizer, how):
            text, at = "", 0
            for start, end, _ in one.spans:
                text, at = f"{text}{one.text[at:start]}[[{one.text[start:end]}]]", end
            texts.append(text + one.text[at:])
        for encoded, text in zip(encode(row, tokenizer, 9999, how), texts, strict=True):
            plain = text.replace("[[", "").replace("]]", "")
            assert encoded.input_ids == tokenizer(plain, add_special_tokens=False)["input_ids"]  # as a server makes them
            assert encoded.reason is None
            assert set(encoded.labels) > {IGNORED}
        return texts

    yield show
    tokenizer.chat_template = own
