"""Tasks that show their choices already, each behind its label: `B. text`, `(b) text`."""

from __future__ import annotations

from collections.abc import Sequence

BRACKETS = " \t\r\n()（）[].．:：、"


def shows(task: str, labels: Sequence[str], texts: Sequence[str]) -> bool:
    """Whether a task shows all of some choices, each behind its label; labels beyond the texts do not matter."""
    return all(_stands_behind(task, label, text) for label, text in zip(labels, texts, strict=False))


def _stands_behind(task: str, label: str, text: str) -> bool:
    at = task.find(text)
    while at >= 0:
        before = task[max(0, at - len(label) - 8) : at].rstrip().casefold()
        marked = before[-1:] in tuple(BRACKETS.strip()) and before.rstrip(BRACKETS).endswith(label.casefold())
        if marked and not before.rstrip(BRACKETS).removesuffix(label.casefold())[-1:].isalnum():
            return True
        at = task.find(text, at + 1)
    return False
