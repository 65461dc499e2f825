"""What a server can read of a local model: a GGUF file, a folder, or an adapter merged into its base once."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from pathlib import Path

from datagen.errors import writing
from datagen.models import cache
from datagen.models.adapter import base_of, identity, loaded
from datagen.models.causal_lm import resolve
from datagen.models.gguf_file import read_gguf
from datagen.models.names import is_gguf
from datagen.models.weights import Q8_SHA256, SMOLLM2, SMOLLM2_SHA256, quiet, smollm2_copy, smollm2_gguf

KEPT = 4  # merged models in the cache; the oldest goes


def servable(model: str, *, offline: bool = False) -> tuple[str, str]:
    """Return the folder or the GGUF file that a server can read, and its identity; an adapter is merged into the cache once.

    The embedded model is a GGUF file where llama.cpp serves it, which is found out unless nothing is to be served (`offline`).

    Raises:
        ModelError: it cannot be had.
    """
    if is_gguf(model):
        return str(Path(model).expanduser().resolve()), read_gguf(model).sha256
    if model == SMOLLM2:
        from datagen.serving.embedded import way

        if offline and (copy := smollm2_copy()):  # the template and the tokens of both are the same
            return str(copy), Q8_SHA256 if is_gguf(str(copy)) else SMOLLM2_SHA256
        if offline or way().server == "llama.cpp":
            return str(smollm2_gguf()), Q8_SHA256
    if not base_of(model):
        return resolve(model)
    from filelock import FileLock

    found = identity(model)
    digest = hashlib.blake2b(found.encode(), digest_size=8).hexdigest()
    place = cache.folder() / "merged"
    place.mkdir(parents=True, exist_ok=True)
    target = place / digest
    with FileLock(place / ".lock"):
        if not target.is_dir():
            fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=place))
            try:
                network, tokenizer = loaded(model, "cpu", "float32")
                with quiet(), writing(place):
                    network.save_pretrained(fresh)
                    tokenizer.save_pretrained(fresh)
                fresh.replace(target)
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
        target.touch()
        merged = (p for p in place.iterdir() if re.fullmatch(r"[0-9a-f]{16}|\.new-\w+", p.name) and p.is_dir())
        for old in sorted(merged, key=lambda p: -p.stat().st_mtime)[KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
    return str(target), digest
