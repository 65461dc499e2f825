"""`datagen plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from datagen.cli.say import say, say_json
from datagen.errors import UsageError

if TYPE_CHECKING:
    from datagen.studies.plan import Device, Needs, Shape

DAY, HOUR = 86_400.0, 3_600.0


@click.command("plan")
@click.argument("model")
@click.option("--tokens", required=True, metavar="N", help="That go through the model, such as 3M or 1.4T.")
@click.option("--hardware", default="h100", show_default=True, metavar="NAME", help="Such as a100-80gb.")
@click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="How many of them.")
@click.option("--tflops", type=click.FloatRange(0, min_open=True), help="Of one device that has no name here, with --memory.")
@click.option("--memory", type=click.FloatRange(0, min_open=True), metavar="GB", help="Of one such device.")
@click.option("--price", type=click.FloatRange(0), metavar="USD", help="Of one device and hour; off = no cost is said.")
@click.option("--utilisation", type=click.FloatRange(0.01, 1), help="Share of the peak that is reached; default 0.40.")
@click.option("--rank", type=click.IntRange(1), default=16, show_default=True, help="Of LoRA.")
@click.option("--pass-tokens", type=click.IntRange(1), default=2048, show_default=True, help="Of one pass on one device.")
@click.option("--json", "as_json", is_flag=True, help="Print the numbers on one line.")
def command(
    model: str, tokens: str, hardware: str, count: int, tflops: float | None, memory: float | None, price: float | None,
    utilisation: float | None, rank: int, pass_tokens: int, as_json: bool,
) -> int:  # fmt: skip
    """Say what training MODEL on so many tokens takes: days, memory and cost, for all weights and for LoRA; what fits.

    MODEL: a number of parameters, such as 7B, or a model that is here (smollm2, a folder). It is arithmetic, right within about
    a third for published runs; `datagen train --dry-run` times a run of rows on this machine instead.
    """
    from datagen.studies import plan

    amount = plan.number(tokens)
    if amount is None:
        raise UsageError(f"--tokens: '{tokens}' is no number; give one such as 3M, 300e9 or 1.4T")
    shape, device = _shape(model), _device(hardware, tflops, memory)
    reached = utilisation or plan.UTILISATION
    how = {"utilisation": reached, "pass_tokens": pass_tokens}
    needs = {
        "full": plan.full(shape, amount, device, count, **how),  # type: ignore[arg-type]
        "lora": plan.lora(shape, amount, device, count, rank=rank, **how),  # type: ignore[arg-type]
    }
    best = plan.optimal(needs["full"].operations)
    if as_json:
        told = {name: {**one._asdict(), "cost_usd": _cost(one, count, price)} for name, one in needs.items()}
        say_json({"shape": shape._asdict(), "tokens": amount, **told, "optimal": {"parameters": best[0], "tokens": best[1]}})
        return 0
    say(f"{_big(shape.parameters)} parameters, {_big(amount)} tokens ({amount / shape.parameters:.3g} a parameter)")
    say(f"{count:,} x {device.tflops:g} TFLOP/s and {device.memory:g} GB, {reached:.0%} of the peak reached")
    for name, one in needs.items():
        say(f"{name:<6}{_line(one, device, count, price)}")
    largest = {"full": plan.TRAINED_BYTES, "lora": plan.FROZEN_BYTES}
    fits = (f"{name} {_big(plan.largest(device, count, size, pass_tokens))}" for name, size in largest.items())
    say(f"the largest that fits: {', '.join(fits)}")
    say(
        f"from scratch, as many operations are best spent on {_big(best[0])} parameters and {_big(best[1])} tokens (Chinchilla)"
    )
    return 0


def _line(one: Needs, device: Device, count: int, price: float | None) -> str:
    cost = _cost(one, count, price)
    parts = [
        f"{one.operations:.3g} operations", _span(one.seconds), f"{one.bytes_each / 1e9:,.1f} GB on each",
        "fits" if one.fits else f"does not fit into {device.memory:g} GB", f"{_big(one.trained)} weights trained",
        *([] if cost is None else [f"${cost:,.2f}"]),
    ]  # fmt: skip
    return ", ".join(parts)


def _cost(one: Needs, count: int, price: float | None) -> float | None:
    return None if price is None else round(price * count * one.seconds / HOUR, 2)


def _span(seconds: float) -> str:
    if seconds < HOUR:
        return f"{seconds / 60:.1f} min"
    return f"{seconds / HOUR:.1f} h" if seconds < 2 * DAY else f"{seconds / DAY:,.1f} days"


def _big(number: float) -> str:
    for limit, factor, suffix in ((1e12, 1e12, "T"), (1e9, 1e9, "B"), (1e6, 1e6, "M"), (1e3, 1e3, "k")):
        if number >= limit:
            return f"{number / factor:.3g}{suffix}"
    return f"{number:.3g}"


def _shape(model: str) -> Shape:
    from datagen.models.names import is_local
    from datagen.studies import plan

    if is_local(model):
        from datagen.models.size import shape_of

        return plan.Shape(*shape_of(model))
    parameters = plan.number(model)
    if parameters is None:
        raise UsageError(f"'{model}' is neither here nor a number of parameters: give one such as 7B, or smollm2, or a folder")
    return plan.usual_shape(parameters)


def _device(name: str, tflops: float | None, memory: float | None) -> Device:
    from datagen.errors import did_you_mean
    from datagen.studies.plan import DEVICES, Device

    if (tflops is None) != (memory is None):
        raise UsageError("give --tflops and --memory together, of one device")
    if tflops is not None and memory is not None:
        return Device(tflops, memory)
    if (found := DEVICES.get(name.lower())) is None:
        raise UsageError(
            f"--hardware: '{name}' is not known{did_you_mean(name.lower(), DEVICES)}; or give --tflops and --memory"
        )
    return found
