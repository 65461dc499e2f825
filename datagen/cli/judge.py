"""`datagen judge`."""

from __future__ import annotations

from typing import Any

import click

from datagen.cli.flags import command as made
from datagen.cli.kinds import over_rows, run_steps


def _judge(rows: tuple[str, ...], out: str, **values: Any) -> int:
    if values["samples"] not in (None, "1") and values["temperature"] is None:
        values["temperature"] = 0.7  # of several samples, which at 0 would all be the same
    return run_steps(rows, out, values, lambda own: [{"judge": own}])


def _command() -> click.Command:
    from datagen.chat.judge_options import JudgeOptions

    return made("judge", JudgeOptions, over_rows(), _judge)


command = _command()
