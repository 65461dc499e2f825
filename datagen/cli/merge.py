"""`datagen merge`."""

from __future__ import annotations

import click

from datagen.cli.say import say


@click.command("merge")
@click.argument("model")
@click.option("-o", "--out", required=True, metavar="PATH", help="A new folder, or a new FILE.gguf for llama.cpp.")
@click.option(
    "--dtype",
    type=click.Choice(["float32", "bfloat16", "float16"]),
    default=None,
    help="Of the weights that are written; default: float32, of a GGUF file float16.",
)
def command(model: str, out: str, dtype: str | None) -> int:
    """Add an adapter to the weights of its base: one model, without peft, in a folder or as a GGUF file.

    What it says is compared with what the adapter says beside its base, and the largest difference of a logit is printed; of a
    GGUF file too what llama.cpp finds. GGUF is written of models of the shape of Llama and Qwen2; any model may be given then.
    """
    from pathlib import Path

    from datagen.cli import endings

    path = Path(out).expanduser()
    gguf = path.suffix.lower() == ".gguf"
    if gguf:
        from datagen.serving.gguf_check import write_checked

        done, in_llama = write_checked(model, path, dtype or "float16")
    else:
        from datagen.models.merging import merge

        done = merge(model, path, dtype or "float32")
    if done.base:
        say(f"largest difference of a logit over {len(done.texts)} texts: {done.difference:.2g} in float32")
    if gguf:
        say(f"  in llama.cpp, of the likeliest tokens after each: {in_llama:.2g}")
    elif done.rounded != done.difference:
        say(f"  after rounding to {dtype}: {done.rounded:.2g}")
    say(f"{out}: {'a GGUF file' if gguf else 'a model'}")
    endings.then("chat", out)
    return 0
