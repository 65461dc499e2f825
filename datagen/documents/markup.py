"""HTML to Markdown's plainest form: headings, paragraphs, lists, code and tables; navigation and scripts stay out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

AWAY = (
    "script", "style", "noscript", "template", "svg", "iframe", "select", "input", "textarea", "button", "dialog",
    "[aria-hidden=true]", "[hidden]",
)  # fmt: skip
# What has words, but is no part of the text; a header of an article is its title, and of some pages all of it is a form.
BESIDE = "nav, footer, aside, menu, [role=navigation], header"
HEADINGS = {f"h{n}": n for n in range(1, 7)}
# What opens and closes an element; \0 parts blocks. Within a list's item or a cell a block is only a space.
MARKS = {"li": ("\n- ", ""), "td": (" ", " |"), "th": (" ", " |"), "tr": ("\n|", ""), "br": ("\n", "")}
MARKS |= dict.fromkeys(
    ("address", "article", "blockquote", "body", "center", "dd", "details", "div", "dl", "dt", "fieldset", "figcaption",
     "figure", "hr", "main", "ol", "p", "section", "summary", "table", "tbody", "thead", "ul"), ("\0", "\0"),
)  # fmt: skip
CLOSE = frozenset({"li", "td", "th"})


def markdown_of(html: str) -> tuple[str, str, str]:
    """Return the text of a page as Markdown, its blocks parted by blank lines, its title, and the words that are beside it.

    Where a page has a `main` or `article` with most of the text, only that is read; the rest is beside it, as menus are.
    """
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(html)
    title = tree.css_first("title")
    head = " ".join(title.text().split()) if title is not None else ""
    tree.strip_tags(list(AWAY))
    body: Any = tree.body
    if body is None:
        return "", head, ""
    beside = []
    for node in _outermost(body.css(BESIDE)):
        beside.append(node.text(separator=" "))
        node.decompose()
    whole = len(body.text())
    inner = [n for n in tree.css("main, article") if len(n.text()) * 2 >= whole]
    written = "".join(_written(inner[0] if inner else body))
    if inner:
        inner[0].decompose()
        beside.append(body.text(separator=" "))
    text = "\n\n".join(block for raw in written.split("\0") if (block := _tidy(raw)))
    return text, head, "\n".join(" ".join(words.split()) for words in beside if words.strip())


def _outermost(nodes: Sequence[Any]) -> list[Any]:
    """Return the nodes that stand in none of the others; the header of an article is none of them."""

    def above(node: Any) -> Iterator[Any]:
        while (node := node.parent) is not None:
            yield node

    beside = [n for n in nodes if n.tag != "header" or not any(a.tag in ("main", "article") for a in above(n))]
    known = {node.mem_id for node in beside}
    return [n for n in beside if not any(a.mem_id in known for a in above(n))]


def _tidy(raw: str) -> str:
    if raw.startswith("```"):
        return raw.strip("\n")
    return "\n".join(line for part in raw.split("\n") if (line := " ".join(part.split())) not in ("", "|"))


def _written(top: Any) -> list[str]:
    """Return the pieces of a node's text with the marks around them; a stack, because pages nest deeper than calls may."""
    out: list[str] = []
    stack: list[tuple[Any, str, int]] = [(top, "", 0)]  # a node, or the text that closes one; how many items it is within
    while stack:
        node, closing, within = stack.pop()
        if node is None:
            out.append(closing)
            continue
        tag = node.tag or ""
        if tag == "-text":
            out.append((node.text_content or "").replace("\n", " "))
        elif tag in HEADINGS:
            words = " ".join(node.text().split())
            out.append(f"\0{'#' * HEADINGS[tag]} {words}\0" if words else "\0")
        elif tag == "pre":
            lines = node.text().strip("\n")
            out.append(f"\0```\n{lines}\n```\0")
        elif not tag.startswith("-"):
            opening, closing = MARKS.get(tag, ("", ""))
            if within and opening == "\0" and tag not in ("ul", "ol", "table"):
                opening = closing = " "
            out.append(opening)
            stack.append((None, closing, 0))
            stack.extend((child, "", within + (tag in CLOSE)) for child in reversed(_children(node)))
    return out


def _children(node: Any) -> list[Any]:
    found, child = [], node.child
    while child is not None:
        found.append(child)
        child = child.next
    return found
