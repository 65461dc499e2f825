"""1,000 requests to an endpoint with every fault: none lost, none bought twice, every failure a ledger entry.

Three accounts are compared that know nothing of each other: the endpoint's log, the journal, and the rows. `--quick`: 200.
"""

from __future__ import annotations

import json
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
from endpoint_process import Arrival, EndpointProcess, arrivals, body_hash, clean_environment, command, dollars

from datagen.answers.tasks import items
from datagen.chat.completion import read
from datagen.data.shards import iterate_rows, read_json

FAULTS = {
    "429": 0.1, "500": 0.08, "502": 0.02, "503": 0.02, "504": 0.01, "hang": 0.01, "reset": 0.02, "hang_up": 0.02, "slow": 0.01,
    "cut": 0.06, "broken": 0.02, "no_usage": 0.05, "no_choices": 0.02, "null_text": 0.01, "context": 0.01, "reasoning": 0.02,
    "think": 0.02, "think_cut": 0.01,
}  # fmt: skip
NO_ANSWER = {"no_choices"}  # HTTP 200 all the same: a failure that is kept, and tried again
WITHOUT_TEXT = {"broken", "no_choices", "null_text", "context"}
PRICE_IN, PRICE_OUT = 0.5, 1.5
IN_FLIGHT = 16


class Journal:
    """What a run's journal says."""

    def __init__(self, path: Path) -> None:
        with closing(sqlite3.connect(path)) as db:
            self.requests = {
                key: (body_hash(body), draw) for key, body, draw in db.execute("SELECT key, body, draw FROM request")
            }
            self.answers = dict(db.execute("SELECT key, raw FROM answer"))
            self.given_up = dict(db.execute("SELECT key, said FROM given_up"))
            self.refused = db.execute("SELECT count(*) FROM refused").fetchone()[0]
            self.attempts = db.execute("SELECT key, outcome, input_tokens, output_tokens FROM attempt").fetchall()

    @property
    def pending(self) -> set[str]:
        """Requests that the cap left without an end."""
        return self.requests.keys() - self.answers.keys() - self.given_up.keys()


def generated(out: Path, url: str, requests: int) -> dict[str, Any]:
    """Run the command up to so many requests; return the generator's entry in run.json."""
    done = subprocess.run(
        command(
            out, url, "-n", 1_000_000, "--max-requests", requests, "--timeout-s", 2, "--concurrency", IN_FLIGHT,
            "--price-in", PRICE_IN, "--price-out", PRICE_OUT,
        ),
        env=clean_environment(), capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode != 5:
        sys.exit(f"exit code {done.returncode}, not 5: {done.stderr}")
    entry: dict[str, Any] = read_json(out / "run.json")["stages"][0]
    return entry


def bought(bars: Bars, log: list[Arrival], journal: Journal, requests: int) -> None:
    """Compare the endpoint's log with the journal."""
    # The last of them may be a retry that was waiting for its moment when another request met the cap and ended the run.
    bars.equal("requests that arrived", f"<= {requests}", len(log), holds=requests - IN_FLIGHT < len(log) <= requests)
    bars.equal("attempts in the journal", len(log), len(journal.attempts))
    bars.equal("attempts without an outcome", 0, sum(outcome is None for _, outcome, _, _ in journal.attempts))
    none = Counter(a.body for a in log if a.status == 200 and a.fault in NO_ANSWER)
    full = Counter(a.body for a in log if a.status == 200) - none
    recorded = Counter(journal.requests[key][0] for key in journal.answers)
    bars.equal("answers sent in full, recorded", f"{full.total():,}", f"{(full & recorded).total():,}")
    bars.equal("recorded answers that nobody sent", 0, (recorded - full).total())
    most = Counter(body for body, _ in journal.requests.values())
    after: Counter[str] = Counter()
    left = Counter(full)
    for arrival in log:
        after[arrival.body] += left[arrival.body] == 0 and most[arrival.body] == 1 and recorded[arrival.body] > 0
        left[arrival.body] -= arrival.status == 200 and arrival.fault not in NO_ANSWER
    bars.equal("requests sent again after their answer", 0, after.total())
    bars.equal("answers sent in full twice", 0, (full - most).total())
    bars.equal("answers without a choice, kept as refused", none.total(), journal.refused)
    last = {a.body: a.fault for a in log}
    given_up = [last[journal.requests[key][0]] for key in journal.given_up]
    bars.equal(
        "requests given up that were refused for good", sum(f == "context" for f in last.values()), given_up.count("context")
    )
    bars.equal("requests given up for another reason than that", 0, sum(f not in {"context", *NO_ANSWER} for f in given_up))
    for key in journal.given_up:  # six faults in a row come by chance, too: about once in six runs of these shares
        body = journal.requests[key][0]
        if last[body] not in {"context", *NO_ANSWER}:
            print(f"  it met, in order: {', '.join(str(a.fault) for a in log if a.body == body)}")


def judged(bars: Bars, log: list[Arrival], journal: Journal, entry: dict[str, Any], out: Path) -> None:
    """Compare log and journal with the rows."""
    rows = [*iterate_rows(out / "kept"), *iterate_rows(out / "dropped")]
    of_key = Counter(row["generation"]["request_key"] for row in rows)
    keys = {key for key, (_, draw) in journal.requests.items() if draw < entry["requests"]["judged"]}
    bars.equal("requests judged that have rows", len(keys), len(keys & of_key.keys()))
    bars.equal("rows of requests that were not judged", 0, sum(n for key, n in of_key.items() if key not in keys))
    last = {a.body: a.fault for a in log}
    without = {key for key in keys if last[journal.requests[key][0]] in WITHOUT_TEXT}
    failed = {row["generation"]["request_key"] for row in rows if row.get("reason") == "request_failed"}
    bars.equal("failures (by the endpoint) in the ledger", len(without), len(without & failed))
    bars.equal("request_failed without a failure", 0, len(failed - without))
    bars.equal("entries of request_failed that say why", len(failed), sum(
        bool(row["evidence"]) for row in rows if row.get("reason") == "request_failed"
    ))  # fmt: skip
    parsed = len(without)
    for key in keys - without - journal.given_up.keys():  # one given up for another reason is told above
        told = read(key, journal.answers[key])
        parsed += len(items(told.text or "", cut=told.cut))
    bars.equal("items parsed, kept + dropped", parsed, len(rows))


def money(bars: Bars, log: list[Arrival], entry: dict[str, Any]) -> None:
    """Compare what the endpoint billed with what the run counts."""
    reported = {"broken", "no_usage"}
    known = dollars((a.billed for a in log if a.status == 200 and a.fault not in reported), PRICE_IN, PRICE_OUT)
    billed = dollars((a.billed for a in log), PRICE_IN, PRICE_OUT)
    cost = entry["cost"]
    bars.equal("dollars that the endpoint reported", f"{known:.6f}", f"{cost['usd']:.6f}")
    bars.equal("dollars billed, at most spent + held", f"{billed:.6f}", f"{cost['usd'] + cost['held_usd']:.6f}",
               holds=billed <= cost["usd"] + cost["held_usd"])  # fmt: skip


def main() -> None:
    """Print the tables."""
    requests = 200 if "--quick" in sys.argv else 1000
    bars, began = Bars(f"{requests:,} requests, then {requests // 4} more"), time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shares = ",".join(f"{fault}:{part}" for fault, part in FAULTS.items())
        with EndpointProcess(folder, "--seed", 7, "--faults", shares, "--delay-ms", 20, "--slow-s", 0.5) as endpoint:
            out = folder / "out"
            entry = generated(out, endpoint.base_url, requests)
            log, journal = arrivals(endpoint.log), Journal(out / "journal.sqlite")
            bought(bars, log, journal, requests)
            judged(bars, log, journal, entry, out)
            money(bars, log, entry)
            bars.equal("requests under way at the cap", f"<= {IN_FLIGHT}", len(journal.pending),
                       holds=len(journal.pending) <= IN_FLIGHT)  # fmt: skip
            entry = generated(out, endpoint.base_url, requests + requests // 4)
            more, later = arrivals(endpoint.log), Journal(out / "journal.sqlite")
            again = {a.body for a in more[len(log) :]} & {journal.requests[key][0] for key in journal.answers}
            bars.equal("the same command again: recorded, sent again", 0, len(again))
            bars.equal(
                "the same command again: answers changed", 0, sum(later.answers[k] != v for k, v in journal.answers.items())
            )
            bars.equal(
                "the same command again: of those under way, ended", len(journal.pending), len(journal.pending - later.pending)
            )
    met = Counter(a.fault for a in log)
    print(f"{'fault':<12}{'share':>8}{'met':>8}")
    for fault, part in {**FAULTS, "": 1 - sum(FAULTS.values())}.items():
        print(f"{fault or 'none':<12}{part:>8.2f}{met[fault]:>8,}")
    reasons = json.dumps(entry["dropped"])
    print(f"\n{entry['rows_kept']:,} rows kept of {entry['rows_in']:,}; dropped {reasons}; {time.monotonic() - began:.0f} s")
    bars.end()


if __name__ == "__main__":
    main()
