"""Lists and maps that stand as text in a cell, as JSON, Python or NumPy writes them."""

from __future__ import annotations

import ast
import json
import re
import warnings
from typing import Any

_TEXT = r"""'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+\""""
_TEXTS = re.compile(_TEXT, re.S)
# `['a' 'b']`: Python would read two texts without a comma as one.
_ARRAY = re.compile(rf"\[\s*+(?:(?:{_TEXT})[\s,]*+)++\]", re.S)


def listed_in_text(text: str) -> Any:
    """Return the list or map that a text is; a list of its lines where each begins with a label (`A. …`); else None."""
    text = text.strip()
    if text[:1] in "[{" and text[-1:] in "]}":
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return _python(text)
    lines = [line for line in text.splitlines() if line.strip()]
    return lines if len(lines) > 1 and all(re.match(r"\s*+[(（]?\w[)）.．:：、]", line) for line in lines) else None


def _python(text: str) -> Any:
    """Return what a text is as Python or pandas prints it (`{'text': array(['a', 'b'], dtype=object)}`); None for others."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of `\\d` in a text
        try:
            return _value(ast.parse(_ARRAY.sub(_with_commas, text), mode="eval").body)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            return None


def _with_commas(found: re.Match[str]) -> str:
    return f"[{', '.join(_TEXTS.findall(found.group()))}]"


def _value(node: ast.expr) -> Any:
    """Return the value of a literal, an `array(…)` among them as its list; raises ValueError for anything else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "array" and node.args:
        return _value(node.args[0])
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(one) for one in node.elts]
    if isinstance(node, ast.Dict):
        return {str(ast.literal_eval(k)): _value(v) for k, v in zip(node.keys, node.values, strict=True) if k is not None}
    return ast.literal_eval(node)
