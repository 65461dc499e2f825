"""The child process that serves a folder: `transformers serve`, run inside it, with a cache that leaves memory to others."""

from __future__ import annotations

import sys

from datagen.child import end_with_parent

# By default the server takes most of the machine's memory for its cache. This is room for 32 requests of 1,024 tokens.
BLOCK_TOKENS = 256
CACHE_TOKENS = 32_768
BATCH_TOKENS = 1_024


def _serve(parent: int, port: int, folder: str) -> None:
    """Run `transformers serve` in this process; end it as soon as its parent is gone."""
    end_with_parent(parent)
    from transformers.cli.transformers import app

    from datagen.models.causal_lm import computes_in_bfloat16

    dtype = "bfloat16" if computes_in_bfloat16("auto", "cpu") else "float32"  # emulated, bfloat16 is many times slower
    sys.argv = [
        "transformers", "serve", folder, "--device", "cpu", "--dtype", dtype, "--continuous-batching",
        "--cb-num-blocks", str(CACHE_TOKENS // BLOCK_TOKENS), "--cb-max-batch-tokens", str(BATCH_TOKENS),
        "--host", "127.0.0.1", "--port", str(port), "--log-level", "error",
    ]  # fmt: skip
    app()


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
