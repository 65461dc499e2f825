"""`datagen serve`."""

from __future__ import annotations

import click

from datagen.cli.say import say


@click.command("serve")
@click.argument("model", default="smollm2")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Of 127.0.0.1; 0 = a free one.")
def command(model: str, port: int) -> int:
    """Serve MODEL to programs of this machine by the API of OpenAI, until Ctrl+C.

    smollm2 (embedded), a folder, an adapter (its weights are added to those of its base), or FILE.gguf. A GGUF file is served
    by llama.cpp, the others by `transformers serve`. Nothing but 127.0.0.1 can reach it, and it asks for no key.
    """
    import time

    from datagen.cli.say import command_line
    from datagen.errors import ModelError, UsageError
    from datagen.models.names import is_local
    from datagen.serving.servable import servable
    from datagen.serving.served import served

    if not is_local(model):
        raise UsageError(f"'{model}' is not here: serve takes smollm2, a folder, an adapter or a FILE.gguf")
    say(f"loading {model}", err=True)
    with served(servable(model)[0], port) as endpoint:
        say(f"{model} answers at {endpoint.base_url}, as model {endpoint.model}; Ctrl+C ends it")
        say(f"next: {command_line('doctor', '--base-url', endpoint.base_url, '--model', endpoint.model)}")
        try:
            while endpoint.alive():
                time.sleep(0.2)
        except KeyboardInterrupt:
            say("ended", err=True)
            return 0
    raise ModelError(f"the server of {model} ended by itself; start it again")
