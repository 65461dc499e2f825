"""What tokens cost: from the price list of `genai-prices`, or as the user says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from datagen.chat.journal import Tokens
from datagen.errors import UsageError

MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """Dollars per million tokens, in and out; `list_price` has the tiers of a listed model, where it has some."""

    input: float
    output: float
    source: str
    list_price: Callable[[Tokens], float] | None = None

    def usd(self, tokens: Tokens) -> float:
        """Return what these tokens cost, in dollars."""
        if self.list_price is not None:
            return self.list_price(tokens)
        return (tokens.input * self.input + tokens.output * self.output) / MILLION


def find_price(model: str, base_url: str, price_in: float | None, price_out: float | None) -> Price | None:
    """Return the price of a model at an endpoint: what the user said, else the list's, else None.

    Args:
        model: the endpoint's name for the model.
        base_url: the endpoint; the list knows providers by their address, so a server of one's own has no price.
        price_in: dollars per million input tokens.
        price_out: dollars per million output tokens.

    Raises:
        UsageError: only one of the two prices was given.
    """
    if price_in is not None and price_out is not None:
        return Price(price_in, price_out, "--price-in, --price-out")
    if price_in is not None or price_out is not None:
        raise UsageError("give --price-in and --price-out together, in dollars per million tokens")
    import genai_prices

    def cost(tokens: Tokens) -> Any:
        usage = genai_prices.Usage(input_tokens=tokens.input, output_tokens=tokens.output)
        return genai_prices.calc_price(usage, model, provider_api_url=base_url)

    try:
        found = cost(Tokens(MILLION, 0))
        both = cost(Tokens(0, MILLION))
    except (LookupError, ValueError):
        return None
    name = f"genai-prices {genai_prices.__version__}, {found.provider.id}/{found.model.id}"
    small = cost(Tokens(1000, 1000))
    flat = Price(float(found.input_price), float(both.output_price), name)
    if abs(float(small.total_price) - flat.usd(Tokens(1000, 1000))) < 1e-12:
        return flat
    return Price(flat.input, flat.output, name, lambda tokens: float(cost(tokens).total_price))
