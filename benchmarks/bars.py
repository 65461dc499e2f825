"""What a benchmark asks for beside what it reached; its exit code is 1 where a bar is missed."""

from __future__ import annotations

import sys


class Bars:
    """The bars of one benchmark."""

    def __init__(self) -> None:
        """None is missed yet."""
        self._missed = 0

    def at_most(self, what: str, asked: float, reached: float, unit: str = "") -> None:
        """Print a bar that the figure must not pass."""
        self._told(what, f"<= {asked:g}{unit}", f"{reached:.4g}{unit}", reached <= asked)

    def at_least(self, what: str, asked: float, reached: float, unit: str = "") -> None:
        """Print a bar that the figure must come up to."""
        self._told(what, f">= {asked:g}{unit}", f"{reached:.5g}{unit}", reached >= asked)

    def holds(self, what: str, reached: bool) -> None:
        """Print something that must be so."""
        self._told(what, "yes", "yes" if reached else "no", reached)

    def _told(self, what: str, asked: str, reached: str, good: bool) -> None:
        print(f"{what:<52}{asked:>12}{reached:>12}  {'reached' if good else 'MISSED'}", flush=True)
        self._missed += not good

    def end(self) -> None:
        """Leave with the exit code."""
        sys.exit(1 if self._missed else 0)
