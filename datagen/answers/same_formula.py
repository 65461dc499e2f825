r"""Whether two formulas are the same value, interval, set or equation: `math-verify`, in a process of its own.

It parses LaTeX with a grammar and compares with sympy, both of which may take for ever or all of the memory on what a model
wrote. So it answers from a worker process, which is started when it is first needed, is limited in memory, is ended by the
kernel when an answer takes too much processor time (not time: what is the same must not depend on what else a machine does),
and ends with its parent.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import select
import subprocess
import sys
import threading
import time

import regex

from datagen.child import python
from datagen.json_text import dumps

LIMIT_S = 8.0  # seconds of processor time that two formulas may take, to a second
WAIT_S = 300.0  # seconds after which a worker is given up that uses none
START_S = 120.0  # seconds that the worker may take to load sympy
MEMORY = 4 << 30  # bytes of the worker's address space
LONGEST = 500  # characters of a formula
_WORDS = regex.compile(r"(?<![\\\p{L}])(?!(?:and|or|pi|sqrt|sin|cos|tan|log|ln|exp|frac)\b)\p{L}{2,}")
_MATHEMATICS = regex.compile(r"\\[a-zA-Z]|[\^_,<>≤≥=√π∪∞()\[\]{}]|\d\p{L}|\p{L}\d")
_COMMAND = regex.compile(
    r"\\(?:begin|end)\s*\{[a-zA-Z]*\*?\}(?:\{[clr|\s]*\})?|\\(?:text|mathrm|mbox|textbf|operatorname)\s*\{([^{}]*)\}|\\[a-zA-Z]+"
)
_lock = threading.Lock()
_worker: subprocess.Popen[bytes] | None = None


def same_formula(one: str, other: str, *, limit_s: float = LIMIT_S) -> bool:
    """Whether two answers are formulas, and the same one in other forms; never for words, dates and times.

    Those that take longer than `limit_s` seconds of processor time are not the same.
    """
    if max(len(one), len(other)) > LONGEST or not (is_formula(one) and is_formula(other)):
        return False
    if not (_MATHEMATICS.search(one) or _MATHEMATICS.search(other)):
        return False
    with _lock:
        return _asked(dumps([one, other, limit_s], ensure_ascii=True).encode() + b"\n")


def is_formula(text: str) -> bool:
    """Whether a text may be a formula: there are no words in it and no time of the day."""
    bare = _COMMAND.sub(lambda hit: hit[1] or " ", text)
    return ":" not in text and any(c.isalnum() for c in text) and not _WORDS.search(bare)


def _asked(line: bytes) -> bool:
    """What the worker says; False where it ended before it said anything."""
    global _worker
    try:
        if _worker is None or _worker.poll() is not None:
            _worker = subprocess.Popen(
                python("datagen.answers.same_formula"),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0,
            )  # fmt: skip
            atexit.register(_worker.kill)
            _said(_worker, START_S)
        assert _worker.stdin is not None
        _worker.stdin.write(line)
        return _said(_worker, WAIT_S) == b"1"
    except (TimeoutError, OSError):
        if _worker is not None:
            _worker.kill()
            _worker.wait()
        _worker = None
        return False


def _said(worker: subprocess.Popen[bytes], limit_s: float) -> bytes:
    """The next line of the worker; TimeoutError where it does not come, BrokenPipeError where it has ended."""
    assert worker.stdout is not None
    end, said = time.monotonic() + limit_s, b""
    while not said.endswith(b"\n"):
        if not select.select([worker.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
            raise TimeoutError
        part = os.read(worker.stdout.fileno(), 4096)
        if not part:
            raise BrokenPipeError
        said += part
    return said.strip()


def main() -> None:
    """Answer each line of two formulas and a limit with 1 or 0, after a first line that says that it can."""
    import logging
    import resource

    from math_verify import LatexExtractionConfig, parse, verify

    logging.disable()  # of warnings that its own limits are off: those are of time
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    wanted = [LatexExtractionConfig(boxed_match_priority=0)]
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer

    def same(line: str) -> bool:
        *texts, limit_s = json.loads(line)
        used_up = math.ceil(time.process_time() + limit_s)
        resource.setrlimit(resource.RLIMIT_CPU, (used_up, resource.RLIM_INFINITY))
        try:
            one, other = (parse(f"\\boxed{{{text}}}", wanted, parsing_timeout=None) for text in texts)
            # One is given as the right answer, which may be the value of an equation: so both ways round.
            return bool(one and other) and all(
                verify(a, b, allow_set_relation_comp=True, timeout_seconds=None) for a, b in ((one, other), (other, one))
            )
        except Exception:  # noqa: BLE001 - whatever a formula does to the parser, it is not the same as another
            return False

    same('["\\\\frac{x+2}{7}", "\\\\frac{x}{7}+\\\\frac{2}{7}", 60]')  # loads what the first answer would wait for
    answers.write("ready\n")
    for line in sys.stdin:
        answers.write("1\n" if same(line) else "0\n")


if __name__ == "__main__":
    main()
