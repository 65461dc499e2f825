"""Templates of translation instructions: a file holds several phrasings, parted by lines of `---`, in one language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datagen import assets
from datagen.errors import DataError, UsageError
from datagen.text.names import of_prompts

PART = "\n---\n"
VALUES = ("text", "source", "target", "examples")


@dataclass(frozen=True)
class Phrasing:
    """One way to ask: its template, the language that it asks in, and its name."""

    name: str
    language: str
    template: Any

    def filled(self, text: str, source: str, target: str, examples: Sequence[tuple[str, str]]) -> str:
        """Return the instruction; raises UsageError where the template uses a value that there is not."""
        from jinja2 import TemplateError

        try:
            found = self.template.render(text=text, source=source, target=target, examples=examples).strip()
        except (TemplateError, TypeError, ValueError, ArithmeticError) as e:
            raise UsageError(f"{self.name}: {' '.join(str(e).split())}; the values are {', '.join(VALUES)}") from None
        return str(found)


def files_of(paths: Sequence[str], languages: Sequence[str] = ()) -> list[Path]:
    """Return the files of templates: those that are named (a `*` too), or those that come along in one of the languages, or en.

    Raises:
        DataError: one is not there.
    """
    if not paths:
        spoken = {*languages, "en"}
        return [p for p in sorted(assets.folder("prompts").glob("translate.*.jinja")) if p.name.split(".")[1] in spoken]
    found: list[Path] = []
    for path in paths:
        place = Path(path)
        here = sorted(place.parent.glob(place.name)) or [
            p for p in sorted(assets.folder("prompts").glob(place.name)) if path.startswith("prompts/")
        ]
        if not here:
            raise DataError(f"no such template: {path}")
        found += here
    return found


def read(paths: Sequence[str], languages: Sequence[str] = ()) -> list[Phrasing]:
    """Return all phrasings; the language of a file is the part of its name before `.jinja`.

    Raises:
        DataError: there is no such file.
        UsageError: one is no template, or does not show the text.
    """
    from jinja2 import StrictUndefined, TemplateSyntaxError
    from jinja2.sandbox import SandboxedEnvironment

    made = SandboxedEnvironment(trim_blocks=True, undefined=StrictUndefined)
    found = []
    for path in files_of(paths, languages):
        language = path.name.split(".")[-2] if path.name.count(".") > 1 else "en"
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as e:
            raise DataError(f"{path}: cannot be read as a template: {e}") from None
        for number, part in enumerate(filter(str.strip, f"\n{text}\n".split(PART)), start=1):
            name = f"{path.name} #{number}"
            try:
                one = Phrasing(name, of_prompts(language), made.from_string(part.strip()))
            except TemplateSyntaxError as e:
                raise UsageError(f"{name}: not a template: {e.message}") from None
            if "{{ text }}" not in one.filled("{{ text }}", "A", "B", [("x", "y")]):
                raise UsageError(f"{name}: the instruction does not show {{{{ text }}}}")
            found.append(one)
    return found
