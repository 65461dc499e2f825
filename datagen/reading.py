"""How rows are read: the options of every command and function that reads some, of a recipe too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from datagen import options as option_fields
from datagen.options import option

GROUP = "Reading"


@dataclass(frozen=True)
class Reading:
    """How rows are read; its fields are named as the arguments of `formats.read.read`."""

    mapping: dict[str, str] = option(
        factory=dict, meaning="datagen's field <- the file's, such as instruction=question,output=answer", group=GROUP
    )
    roles: dict[str, str] = option(
        factory=dict, meaning="the file's names of roles -> ours, such as customer=user,agent=assistant", group=GROUP
    )
    limit: int | None = option(None, "read only so many rows", group=GROUP)
    split: str | None = option(
        None, "part of a set, by names of files or a column `split`: train, test, ... or all; off = train", group=GROUP
    )
    encoding: str = option("", "of texts, such as gb18030; empty = by their mark, else UTF-8", group=GROUP)

    def __post_init__(self) -> None:
        """Check the values; raises ValueError."""
        for name, names in (("mapping", self.mapping), ("roles", self.roles)):
            if not all(isinstance(one, str) for pair in names.items() for one in pair):
                raise ValueError(f"{name} must be a map of names, such as {{instruction: question}}, not {names!r}")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit must be 1 or more, not {self.limit}")


NAMES = tuple(one.name for one in option_fields.listed(Reading))


def reading(given: Mapping[str, Any], where: str = "reading") -> Reading:
    """Return how rows are read.

    Args:
        given: values by name, as a command line, a recipe or Python gives them; None stands for the default.
        where: what an error calls it.

    Raises:
        UsageError: a value is none of its option.
    """
    return option_fields.build(Reading, {name: value for name, value in given.items() if value is not None}, where)
