"""What a benchmark asks for beside what it reached; its exit code is 1 where a bar is missed."""

from __future__ import annotations

import sys
from typing import Any


class Bars:
    """The bars of one benchmark: a line for each as soon as it is known, under the title of its table."""

    def __init__(self, title: str = "") -> None:
        """None is missed yet."""
        self._missed = 0
        if title:
            self.title(title)

    def title(self, title: str) -> None:
        """Begin a table."""
        print(f"\n{title:<60}{'asked':>14}{'reached':>14}", flush=True)

    def at_most(self, what: str, asked: float, reached: float, unit: str = "") -> None:
        """Print a bar that the figure must not pass."""
        self._told(what, f"<= {asked:g}{unit}", f"{reached:.4g}{unit}", reached <= asked)

    def at_least(self, what: str, asked: float, reached: float, unit: str = "") -> None:
        """Print a bar that the figure must come up to."""
        self._told(what, f">= {asked:g}{unit}", f"{reached:.5g}{unit}", reached >= asked)

    def holds(self, what: str, reached: bool) -> None:
        """Print something that must be so."""
        self._told(what, "yes", "yes" if reached else "no", reached)

    def equal(self, what: str, asked: Any, reached: Any, *, holds: bool | None = None) -> None:
        """Print what must be reached as it is asked, unless `holds` says whether it is good."""
        asked, reached = (f"{v:,}" if isinstance(v, int) else str(v) for v in (asked, reached))
        self._told(what, asked, reached, asked == reached if holds is None else holds)

    def _told(self, what: str, asked: str, reached: str, good: bool) -> None:
        print(f"{what:<60}{asked:>14}{reached:>14}  {'reached' if good else 'MISSED'}", flush=True)
        self._missed += not good

    def end(self) -> None:
        """Leave with the exit code."""
        sys.exit(1 if self._missed else 0)
