"""`datagen from-pairs`."""

from __future__ import annotations

from typing import Any

import click


@click.command("from-pairs")
@click.argument("pairs", nargs=-1, required=True)
@click.option("-o", "--out", required=True, metavar="OUT", help="Run folder; an earlier run in it goes on.")
@click.option("--source", required=True, metavar="CODE", help="Language translated from, such as en.")
@click.option("--target", required=True, metavar="CODE", help="Language translated into, such as zh.")
@click.option("--source-field", metavar="NAME", help="Field of the records; default: the language's code.")
@click.option("--target-field", metavar="NAME", help="Field of the records; default: the language's code.")
@click.option("--one-way", is_flag=True, help="Only from source to target; default: both directions.")
@click.option("--templates", multiple=True, metavar="FILE", help="Phrasings parted by lines of ---; may repeat, a * too.")
@click.option("--exemplars", type=int, metavar="K", help="Solved examples in each instruction, from other pairs. Default 0.")
@click.option("--phrasings", type=int, metavar="N", help="Instructions per pair and direction, in other words. Default 1.")
@click.option("--seed", type=int, help="Which phrasing and examples a pair gets. Default 17.")
@click.option("--limit", type=click.IntRange(1, 2**31), help="Read only so many pairs.")
@click.option("--fresh", is_flag=True, help="Write the rows again.")
@click.option("--json", "as_json", is_flag=True, help="Print run.json on one line instead of the table.")
def command(
    pairs: tuple[str, ...], out: str, one_way: bool, templates: tuple[str, ...], fresh: bool, as_json: bool,
    **given: Any,
) -> int:  # fmt: skip
    """Make translation instructions of sentence pairs: PAIRS are records with a field per language.

    No model is asked. The phrasings are in English and, where the pairs have them, in Chinese and Thai; a template shows
    {{ text }}, {{ source }}, {{ target }} and may go through {{ examples }}.
    """
    from datagen.cli import terminal
    from datagen.recipe import make

    own = {k: v for k, v in given.items() if v is not None}
    own |= {"pairs": list(pairs), "templates": list(templates), "directions": "one" if one_way else "both"}
    return terminal.run(make([{"from_pairs": own}]), out, fresh=fresh, as_json=as_json)
