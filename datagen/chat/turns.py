"""What a piece of work tells its requests without a word: whose turn they are; and what they tell it: that it asked."""

from __future__ import annotations

from contextvars import ContextVar

# Whose turn the requests of a piece of work are, lowest first: that which was begun first is finished first.
TURN: ContextVar[int | None] = ContextVar("turn", default=None)
# The keys of the requests that a piece of work made and heard the answers of, where somebody wants to know.
ASKED: ContextVar[list[str] | None] = ContextVar("asked", default=None)


def turn_of(draw: int) -> int:
    """Return whose turn a request is; outside of any piece of work its draw says it."""
    turn = TURN.get()
    return draw if turn is None else turn


def noted(key: str) -> None:
    """Note that the piece of work which this runs in heard the answer to a request."""
    if (asked := ASKED.get()) is not None:
        asked.append(key)
