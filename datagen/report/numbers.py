"""Numbers as the report writes them."""

from __future__ import annotations


def count(n: float) -> str:
    """Return a count with its thousands marked."""
    return f"{n:,}"


def percent(share: float) -> str:
    """Return a share of 1 in percent; never 0 % or 100 % unless it is."""
    percent = share * 100
    if 0 < percent < 0.1:
        return "< 0.1 %"
    if 99.9 < percent < 100:
        return "> 99.9 %"
    return f"{percent:.1f}".removesuffix(".0") + " %"


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min {rest} s"
