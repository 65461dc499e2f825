"""Every mode of a hostile endpoint, by a generator and by teachers, with SIGKILLs and a cap: bought once, none lost.

Each command runs alone, and killed at random moments and begun again; without a cap, and with one in dollars. Three accounts
are compared: what the endpoint's log says was answered in full and billed, what the journal recorded, and the rows. What can
still be lost: a kill loses the answers that are on their way, and they stay held at their worst case; an endpoint that bills
more than was asked passes a cap by what is in flight before it is found out, one request a start. Beside our own endpoint that
of `../shared/cases`, where it is. `--quick`: one teacher, two kills in the place of four.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from bars import Bars
from endpoint_process import PROJECT, Arrival, EndpointProcess, arrivals, bodies, body_hash, dollars

from datagen.chat.completion import read
from datagen.data.shards import iterate_rows, read_json

OURS = {
    "plain": "", "null_choices": "null_choices:0.5", "moderated": "moderated:0.33", "filtered": "filtered:0.5",
    "broke_off": "broke_off:0.3", "think_left": "think_left:1", "stream": "stream:1", "no_usage": "no_usage:1",
    "null_text": "null_text:0.2", "broken": "broken:0.2", "overbilled": "overbilled:1",
    "all": "null_choices:0.1,500:0.1,429:0.1,reset:0.05,moderated:0.1,filtered:0.1,stream:0.2,think_left:0.1,no_usage:0.1",
}  # fmt: skip
SHARED = PROJECT.parent / "shared" / "cases" / "endpoint.py"
THEIRS = ("plain", "nullchoices", "moderated", "filtered", "thinkleft", "sse", "overbilled")
NO_ANSWER = {"null_choices", "no_choices"}  # HTTP 200 all the same
ROWS, IN_FLIGHT, STALL = 30, 4, 15
PRICE_IN, PRICE_OUT, CAP = 0.5, 1.5, 0.006
COMMANDS: dict[str, list[Any]] = {
    "answer": ["answer", "rows.jsonl", "--max-output-tokens", 256],
    "judge": ["judge", "rows.jsonl", "--probabilities", "off", "--min-score", 1, "--max-output-tokens", 256],
    "self-instruct": ["self-instruct", "-n", 20, "--max-output-tokens", 1024],
}
CLAIMS = (
    "requests sent again after a recorded answer", "answers recorded that nobody sent", "arrivals that no attempt names",
    "answers in full, not recorded, though nobody killed", "answers lost by kills beyond those in flight", "rows lost",
    "failures without a ledger row, or without words", "dollars billed that are not counted as spent or held",
    "dollars over the cap that were not in flight", "exit codes that are not the right one",
)  # fmt: skip
# The wrapper of an endpoint that keeps no log: it writes the log that ours does.
LOGGED = """
import http.server, io, json, os, runpy, sys, time
sys.path.insert(0, sys.argv[5])
from invented_answers import digest
script, mode, port_file, log = sys.argv[1:5]
say = lambda line: os.write(out, json.dumps(line).encode() + b"\\n")
out, count = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644), iter(range(1, 10**9))

class Server(http.server.ThreadingHTTPServer):
    def __init__(self, address, handler):
        class Logged(handler):
            def do_POST(self):
                self.raw = self.rfile.read(int(self.headers["content-length"]))
                plain, self.rfile = self.rfile, io.BytesIO(self.raw)
                try:
                    super().do_POST()
                finally:
                    self.rfile = plain
            def answer(self, code, body, kind="application/json"):
                if self.command != "POST":
                    return super().answer(code, body, kind)
                n, told = next(count), json.loads(body) if kind == "application/json" else {}
                used = told.get("usage") or {}
                billed = [used.get("prompt_tokens", 0), used.get("completion_tokens", 0)]
                fault = "no_choices" if told and not told.get("choices") else ""
                one = {"n": n, "pid": os.getpid()}
                asked = {"path": self.path, "body": digest(json.loads(self.raw))}
                say({**one, "time": time.time(), **asked, "fault": fault, "billed": billed})
                super().answer(code, body, kind)
                say({**one, "finished": True, "status": code})
        super().__init__(("127.0.0.1", 0), Logged)
        open(port_file + ".tmp", "w").write(str(self.server_address[1]))
        os.replace(port_file + ".tmp", port_file)

http.server.ThreadingHTTPServer = Server
sys.argv = [script, mode, "0"]
runpy.run_path(script, run_name="__main__")
"""


class Theirs(EndpointProcess):
    """The endpoint of the shared cases in one mode, with a log."""

    def __init__(self, folder: Path, mode: str) -> None:
        """Start it and wait until it listens."""
        self.log, port_file = folder / "endpoint.jsonl", folder / "port"
        given = (LOGGED, SHARED, mode, port_file, self.log, PROJECT / "tests" / "support")
        # What it prints of each connection that a kill cut is no part of the table.
        self._start([sys.executable, "-c", *map(str, given)], port_file, stderr=subprocess.DEVNULL)


def started(folder: Path, words: list[str]) -> int:
    """Start a command in a process of its own, forked from this one, which has imported everything; return its id."""
    if child := os.fork():
        return child
    from datagen.cli import main

    os.setsid()
    os.chdir(folder)
    said = os.open("said", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    code = 70
    try:
        main(words)
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else int(e.code is not None)
    finally:
        os._exit(code)


def struck(child: int, log: Path, more: int, wait_s: float) -> bool:
    """Kill a command some time after so many more requests arrived; return whether it still ran."""
    size = log.stat().st_size if log.exists() else 0
    ended = 0
    while not ended and (not log.exists() or log.read_bytes()[size:].count(b'"body"') < more):
        ended = os.waitpid(child, os.WNOHANG)[0]
        time.sleep(0.002)
    if ended:
        return False
    time.sleep(wait_s)
    os.killpg(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def ran(folder: Path, words: list[str], log: Path, kills: int, draw: random.Random) -> tuple[int, int, int]:
    """Run a command, killed so often before; return its exit code, kills that struck, and requests bought again.

    Equal bodies of several draws are several requests: of each body a start may buy as many as were not recorded before it.
    """
    hits, starts = 0, list[tuple[int, Counter[str]]]()
    for left in range(kills, -1, -1):
        starts.append((len(arrivals(log)) if log.exists() else 0, bodies(folder / "out", "answer")))
        child = started(folder, words)
        if left:
            hits += struck(child, log, draw.randint(1, max(2, ROWS // (kills + 1))), draw.uniform(0, 0.1))
        else:
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    came, wanted, again = arrivals(log), bodies(folder / "out", "request"), 0
    for (before, paid), (until, _) in zip(starts, [*starts[1:], (len(came), None)], strict=True):
        again += (Counter(a.body for a in came[before:until] if in_full(a)) - (wanted - paid)).total()
    return code, hits, again


def in_full(arrival: Arrival) -> bool:
    """Whether a request was answered to the end, with a choice."""
    return arrival.status == 200 and arrival.fault not in NO_ANSWER


def checked(folder: Path, command: str, log: list[Arrival], hits: int, cap: bool, over: bool) -> tuple[list[float], list[Any]]:
    """Compare the three accounts; return a figure per claim but the exit code's, and the cells of the table."""
    out = folder / "out"
    with closing(sqlite3.connect(out / "journal.sqlite")) as db:
        body_of = {key: body_hash(body) for key, body in db.execute("SELECT key, body FROM request")}
        draw_of = dict(db.execute("SELECT key, draw FROM request"))
        raws: dict[str, str] = dict(db.execute("SELECT key, raw FROM answer"))
        given_up = {key for (key,) in db.execute("SELECT key FROM given_up")}
        attempts = db.execute("SELECT key, outcome, usd, most_usd FROM attempt").fetchall()
    full = Counter(a.body for a in log if in_full(a))
    got = Counter(body_of[key] for key in raws)
    lost = (full - got).total()
    billed, most = (
        dollars((a.billed for a in log), PRICE_IN, PRICE_OUT),
        max(dollars([a.billed], PRICE_IN, PRICE_OUT) for a in log),
    )
    counted = sum(usd if usd is not None else most or 0 for _, how, usd, most in attempts if usd is not None or how != "free")
    cut_off = len(log) - got.total()  # by a kill, sent in full or begun: held at what was asked for, which is less than billed
    excess = billed - counted - (cut_off * most if over else 0)
    passed = billed - CAP - ((1 + hits) * most if over else 0) if cap else 0
    rows = [r for part in ("kept", "dropped") if (out / part).is_dir() for r in iterate_rows(out / part)]
    summary = read_json(out / "run.json")
    gone = untold = 0
    if summary is not None:  # else nothing useful came, and the command said so
        ended = {k: None if k in given_up else read(k, raws[k]) for k in {*given_up, *raws}}
        if command == "self-instruct":
            judged = {k for k in ended if draw_of[k] < summary["stages"][0]["requests"]["judged"]}
            gone = len(judged - {r["generation"]["request_key"] for r in rows})
            ended = {k: one for k, one in ended.items() if k in judged}
        else:
            gone = abs(ROWS - len(rows))
        gone += abs(summary["rows_in"] - len(rows))
        told = [r["reason"] for r in rows if "reason" in r and r["evidence"]]
        failed = [one.cut_by for one in ended.values() if one is not None and one.cut_by]
        failed += ["request_failed" for one in ended.values() if one is None or one.text is None]
        untold = sum("reason" in r and r["reason"] in {"no_score", *failed} and not r["evidence"] for r in rows)
        if command != "judge":  # which says `no_score`, and asks again before
            # Past the first row that the cap has no room for, an answer that came before a kill waits in the journal.
            later = sum(r.get("reason") == "not_reached" for r in rows) if cap and hits else 0
            untold += max(0, (Counter(failed) - Counter(told)).total() - later)
    unnamed = (Counter(a.body for a in log) - Counter(body_of[k] for k, *_ in attempts)).total()
    figures = [(got - full).total(), unnamed, 0 if hits else lost, max(0, lost - hits * IN_FLIGHT), gone, untold]
    figures += [max(0.0, round(usd, 9)) for usd in (excess, passed)]
    return figures, [len(log), full.total(), len(raws), lost, len(rows), f"{billed:.4f}", f"{counted:.4f}"]


def main() -> None:
    """Print a line per cell and the table of bars."""
    import openai.resources.chat  # noqa: F401

    import datagen.chat.opening
    import datagen.cli
    import datagen.report.page
    import datagen.runner  # noqa: F401

    os.environ |= {"DATAGEN_PROGRESS": "off", "COLUMNS": "100"}
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        os.environ.pop(name, None)
    quick = "--quick" in sys.argv
    commands = [c for c in COMMANDS if not quick or c != "judge"]
    modes = [("", mode) for mode in OURS] + [("shared ", mode) for mode in (THEIRS if SHARED.exists() else ())]
    if not SHARED.exists():
        print(f"{SHARED} is not there: our own endpoint alone")
    totals, draw, began, struck_in_all = [0.0] * len(CLAIMS), random.Random(17), time.monotonic(), 0
    head = ("requests", "in full", "recorded", "on the way", "rows", "billed $", "counted $", "exit")
    print(f"{'mode':<20}{'command':<15}{'kills':>6}{'cap':>7}" + "".join(f"{h:>11}" for h in head))
    for (whose, mode), command, kills, cap in (
        (m, c, k, p) for m in modes for c in commands for k in (0, 2 if quick else 4) for p in (False, True)
    ):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            rows = [
                {"instruction": f"Name {i} things that float on a river.", "output": f"Wood, and {i} more."}
                for i in range(ROWS)
            ]
            (folder / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
            ours = ("--seed", 7, "--faults", OURS[mode], "--delay-ms", 15) if not whose else ()
            with EndpointProcess(folder, *ours) if ours else Theirs(folder, mode) as server:
                words = [
                    *(*COMMANDS[command], "-o", "out", "--model", "local", "--base-url", server.base_url),
                    *("--concurrency", IN_FLIGHT, "--stall", STALL, "--price-in", PRICE_IN, "--price-out", PRICE_OUT),
                    *(("--budget-usd", CAP) if cap else ()),
                ]
                code, hits, again = ran(folder, list(map(str, words)), server.log, kills, draw)
            log = arrivals(server.log)
            over = mode == "overbilled"
            figures, cells = checked(folder, command, log, hits, cap, over)
            # Texts of the shared endpoint are no tasks and no scores: nothing comes of those, which stops a command.
            right = {0} | ({5} if cap else set()) | ({4} if whose and command != "answer" else set())
            figures = [float(again), *figures, float(code not in right)]
            totals, struck_in_all = [a + b for a, b in zip(totals, figures, strict=True)], struck_in_all + hits
            bad = "" if not any(figures) else "  <- " + "; ".join(c for c, f in zip(CLAIMS, figures, strict=True) if f)
            print(
                f"{whose + mode:<20}{command:<15}{hits:>6}{CAP if cap else '-':>7}"
                + "".join(f"{c:>11}" for c in (*cells, code))
                + bad,
                flush=True,
            )
            if any(figures) or code not in (0, 5):
                print("    " + (folder / "said").read_text().strip().splitlines()[-1][:300])
    bars = Bars(f"{len(modes)} modes, {struck_in_all} kills that struck")
    for claim, total in zip(CLAIMS, totals, strict=True):
        bars.equal(claim, 0, int(total) if total == int(total) else total)
    print(f"{time.monotonic() - began:.0f} s")
    bars.end()


if __name__ == "__main__":
    main()
