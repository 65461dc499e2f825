"""A GGUF file as a model: what it is, and what its metadata says of its template and of the room that it takes."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datagen.errors import ModelError
from datagen.json_text import dumps
from datagen.models import cache
from datagen.models.weights import sha256_of

if TYPE_CHECKING:
    from gguf import GGUFReader

CONTEXT = 4096  # tokens, where the file does not say how many the model reads
KV_BYTES = 2  # of a number in the cache of keys and values: float16
# Pre-tokenizers of byte-level vocabularies before whose texts llama.cpp puts the mark of the beginning by itself.
_BEGINNERS = ("llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral", "tekken")


@dataclass(frozen=True)
class GgufFile:
    """What a GGUF file is and says.

    Attributes:
        sha256: of the whole file, hex.
        template: its chat template (Jinja).
        begins_with: the mark of a text's beginning, as the template may write it.
        adds_beginning: whether a server puts that mark before a prompt by itself.
        context: tokens that the model reads.
        kv_bytes: memory that one token of context takes.
    """

    sha256: str
    template: str
    begins_with: str
    adds_beginning: bool
    context: int
    kv_bytes: int


def read_gguf(model: str) -> GgufFile:
    """Return what a GGUF file is and says; kept in the user's cache until the file changes.

    Raises:
        ModelError: it is no GGUF, is cut off, is a part of one, or has no chat template.
    """
    path = Path(model).expanduser().resolve()
    stat = path.stat()
    mark = dumps([str(path), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino], ensure_ascii=True)
    name = f"gguf/{hashlib.blake2b(mark.encode(), digest_size=12).hexdigest()}"
    if kept := cache.recall(name):
        with contextlib.suppress(TypeError):  # of an older version
            return GgufFile(**kept)
    found = _read(path)
    cache.keep(name, dataclasses.asdict(found))
    return found


def _read(path: Path) -> GgufFile:
    from gguf import GGUFReader

    try:
        reader: Any = GGUFReader(path)
    except Exception as error:  # noqa: BLE001 - a file cut off fails wherever its reader happens to be
        with path.open("rb") as file:
            begins = file.read(4)
        wrong = "is cut off or damaged: download it again" if begins == b"GGUF" else "is no GGUF file"
        raise ModelError(f"{path} {wrong} ({' '.join(str(error).split())[:100]})") from None
    if int(_value(reader, "split.count") or 1) > 1:  # its identity would be that of a part
        raise ModelError(f"{path} is one of several parts: join them with `llama-gguf-split --merge`")
    template = _value(reader, "tokenizer.chat_template")
    if not isinstance(template, str) or not template.strip():
        raise ModelError(
            f"{path} has no chat template: a base model cannot be asked; give the GGUF of one that was tuned on conversations"
        )
    context = int(_of_model(reader, "context_length") or CONTEXT)
    tokens, first = reader.fields.get("tokenizer.ggml.tokens"), _value(reader, "tokenizer.ggml.bos_token_id")
    begins_with = ""
    if tokens is not None and first is not None:
        if not 0 <= int(first) < len(tokens.data):
            raise ModelError(f"{path}: tokenizer.ggml.bos_token_id is {first}, which is no token; download the file again")
        begins_with = str(tokens.contents(int(first)))
    return GgufFile(sha256_of([path]), template, begins_with, _adds_beginning(reader), context, _kv_bytes(reader))


def _value(reader: GGUFReader, name: str) -> Any:
    field = reader.fields.get(name)
    return None if field is None else field.contents()


def _of_model(reader: GGUFReader, name: str) -> Any:
    return _value(reader, f"{_value(reader, 'general.architecture')}.{name}")


def _adds_beginning(reader: GGUFReader) -> bool:
    said = _value(reader, "tokenizer.ggml.add_bos_token")
    if said is None:  # the rules of llama.cpp
        return _value(reader, "tokenizer.ggml.model") == "llama" or _value(reader, "tokenizer.ggml.pre") in _BEGINNERS
    return bool(said)


def _kv_bytes(reader: GGUFReader) -> int:
    """Return the bytes of the keys and values of one token; layers with few heads of their own count as the largest."""
    layers, width = int(_of_model(reader, "block_count") or 1), int(_of_model(reader, "embedding_length") or 1)
    heads = _most(_of_model(reader, "attention.head_count") or 1)
    shared = _most(_of_model(reader, "attention.head_count_kv") or heads)
    key = int(_of_model(reader, "attention.key_length") or width // max(1, heads))
    value = int(_of_model(reader, "attention.value_length") or key)
    return KV_BYTES * layers * shared * (key + value)


def _most(value: Any) -> int:
    return max(map(int, value)) if isinstance(value, list) else int(value)
