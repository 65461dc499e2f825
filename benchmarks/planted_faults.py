"""Which test catches each of forty one-line faults: planted one at a time in a copy, run against the tests that reach the line.

    planted_faults.py --collect --work DIR              once: which tests reach which line, into DIR/data and DIR/tests.log
    planted_faults.py --work DIR                        the faults of `fault_list.py`, a line of DIR/results.jsonl for each
    planted_faults.py --work DIR --coverage FILE …      the same from other data of coverage.py with contexts

A test that fails is run again without the fault: one that fails there too says nothing, and the others go on. `--repo` names
another checkout (and wants another DIR). What is done stands in results.jsonl: the same command goes on after a stop.
Needs pytest-cov; about half a minute a fault.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bars import Bars
from fault_list import FAULTS, Fault
from reach import Known, Reach, batches, failed_in, seconds_of, tests_for

IGNORED = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis", "runs", "build", "dist")
ADDOPTS = "addopts=--import-mode=importlib --strict-markers"  # without what a checkout may set besides, such as workers
TEST_S = 120.0  # that a test may take in a run with a fault, or five times what it took before
KERNEL_TESTS = ("tests/similarity", "tests/curate", "tests/text/test_tokens.py", "tests/test_kernels.py")
INTERPRETED = {"NUMBA_DISABLE_JIT": "1"}
QUIET = ("-W", "ignore::RuntimeWarning")  # interpreted, the hash of a kernel is an overflow
# A process that a test starts says by its environment which test that is.
SETTINGS = """[run]
branch = True
source = datagen
data_file = {data}/coverage
parallel = True
concurrency = multiprocessing,thread
sigterm = True
context = ${{PYTEST_CURRENT_TEST-}}
"""
# The variable is set within: at its start the process would measure itself twice.
PYTEST = "import os, sys, pytest; os.environ['COVERAGE_PROCESS_START'] = sys.argv.pop(1); sys.exit(pytest.main(sys.argv[1:]))"


@dataclass
class Bench:
    """The copy in which faults are planted, and how tests are run there."""

    work: Path
    python: str
    limit_s: float

    @property
    def copy(self) -> Path:
        """The copy of the checkout."""
        return self.work / "copy"

    def made(self, repo: Path) -> None:
        """Make the copy anew, and with it the kernels; see that it is what Python imports."""
        shutil.rmtree(self.copy, ignore_errors=True)
        shutil.rmtree(self.work / "numba", ignore_errors=True)
        shutil.copytree(repo, self.copy, ignore=IGNORED)
        command = [self.python, "-c", "import datagen; print(datagen.__file__)"]
        told = subprocess.run(command, cwd=self.work, env=self.environment(), capture_output=True, text=True, check=True).stdout
        if not told.startswith(str(self.copy)):
            sys.exit(f"{self.python} imports {told.strip()}, not the copy in {self.copy}")

    def environment(self, kernels: str = "clean") -> dict[str, str]:
        """The environment of tests; `kernels`: the folder of compiled ones, or INTERPRETED.

        numba looks for changes in a kernel's own file only, not in the files of the kernels that it calls: with a fault in one
        all would have to be compiled anew, in a folder of its own. That takes a minute; most tests are done sooner without.
        """
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE_", "PYTEST_", "OPENAI_", "NUMBA_"))}
        how = INTERPRETED if kernels == "interpreted" else {"NUMBA_CACHE_DIR": str(self.work / "numba" / kernels)}
        return inherited | {"PYTHONPATH": str(self.copy), "PYTHONDONTWRITEBYTECODE": "1"} | how

    def pytest(
        self, tests: Sequence[str], but: Iterable[str], longest_s: float, left_s: float, kernels: str
    ) -> tuple[int | None, str]:
        """Run tests, but for some, up to the first that fails; return the exit code, None at the time limit, and the output."""
        shutil.rmtree(self.copy / ".hypothesis", ignore_errors=True)  # what it found for one fault is not known of the next
        listed, log = self.work / "tests.txt", self.work / "output.txt"
        listed.write_text("\n".join([*tests, *(f"--deselect={t}" for t in but)]), "utf-8")
        command = [
            self.python, "-m", "pytest", "-p", "no:cacheprovider", "-o", ADDOPTS, "-x", "-v", "-rfE", "--tb=line",
            f"--timeout={max(TEST_S, 5 * longest_s):.0f}", *(QUIET if kernels == "interpreted" else ()), f"@{listed}",
        ]  # fmt: skip
        with log.open("wb") as out:
            process = subprocess.Popen(
                command, cwd=self.copy, env=self.environment(kernels), stdout=out, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
            try:
                code: int | None = process.wait(left_s)
            except subprocess.TimeoutExpired:
                code = None
            finally:
                with contextlib.suppress(ProcessLookupError):  # what a test started dies with it
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return code, log.read_text("utf-8", "replace")


@contextlib.contextmanager
def planted(path: Path, fault: Fault) -> Iterator[None]:
    """Plant a fault in a file for as long as the block takes; afterwards it is what it was, its time of change too."""
    before, times = path.read_bytes(), path.stat()
    path.write_text(before.decode().replace(fault.old, fault.new), "utf-8")
    try:
        yield
    finally:
        path.write_bytes(before)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def failed_of(output: str, tests: Sequence[str]) -> str | None:
    """Return the test that failed; of a run that died the one that was running."""
    for line in re.findall(r"^(?:FAILED|ERROR) (.+)$", output, flags=re.M):
        if any(line.startswith(f"{file}::") for file in tests):
            return str(line.partition(" - ")[0])
        if hits := [t for t in tests if line == t or line.startswith(f"{t} - ")]:
            return max(hits, key=len)
        if "::" not in line:  # a test file that cannot be imported
            return str(line.partition(" - ")[0])
    return running_of(output, tests)


def running_of(output: str, tests: Sequence[str]) -> str | None:
    """Return the test that was running when the output ended, or None."""
    last = output.rstrip("\n").rpartition("\n")[2].strip()
    return last if {last, last.partition("::")[0]} & set(tests) else None


def tried(
    bench: Bench, fault: Fault, tests: Sequence[str], but: Sequence[str], known: Known, left_s: float, kernels: str
) -> tuple[str, list[str]]:  # fmt: skip
    """Run tests once with a fault; return what came of it, and what it is about.

    `passed`; `caught_by` a test; `innocent`, tests that say nothing of the fault: they fail without it too, or have
    another name each time; `limit`, the test that was running; `trouble`, the end of what pytest said.
    """
    if left_s <= 0:
        return "limit", [f"before {tests[0]}"]
    with planted(bench.copy / "datagen" / fault.file, fault):
        code, output = bench.pytest(tests, but, known.longest(tests), left_s, kernels)
    if code is None:
        return "limit", [running_of(output, tests) or "in its start"]
    if code == 0:
        return "passed", []
    absent = set(re.findall(r"^ERROR: not found: (?:.*/)?(tests/.*)$", output, flags=re.M)) & set(tests)
    if absent:
        return "innocent", sorted(absent)
    failed = failed_of(output, tests)
    if failed is None:
        return "trouble", [output.strip()[-300:]]
    without = "interpreted" if kernels == "interpreted" else "clean"
    clean, _ = bench.pytest([failed], (), known.longest([failed]), bench.limit_s, without)
    return "caught_by" if clean == 0 else "innocent", [failed]


def judged(bench: Bench, fault: Fault, reach: Reach, known: Known) -> dict[str, Any]:
    """Plant a fault and run the tests that reach it, up to the first that fails because of it."""
    source = (bench.copy / "datagen" / fault.file).read_text("utf-8")
    if source.count(fault.old) != 1:
        return {"fault": fault.name, "planted": False}
    tests, mates, how = tests_for(fault, bench.copy, reach)
    result: dict[str, Any] = {"fault": fault.name, "planted": True, "by": how, "tests": len(tests | mates)}
    innocent = sorted(known.failed if how == "nearest" else (tests | mates) & known.failed)
    tests, mates = tests - known.failed, mates - known.failed
    started = time.monotonic()
    for batch, kernels in _runs(fault, source, tests, mates, known):
        came = "innocent"
        while came == "innocent" and (left := [t for t in batch if t not in innocent]):
            came, about = tried(bench, fault, left, innocent, known, bench.limit_s - (time.monotonic() - started), kernels)
            if came == "innocent":
                innocent += about
            elif came != "passed":
                result[came] = about[0]
        if "caught_by" in result or "limit" in result:
            break
    shutil.rmtree(bench.work / "numba" / fault.name, ignore_errors=True)
    return {**result, "innocent": innocent, "seconds": round(time.monotonic() - started, 1)}


def _runs(fault: Fault, source: str, tests: set[str], mates: set[str], known: Known) -> Iterator[tuple[list[str], str]]:
    """Yield the tests of each run and the folder of its kernels: a faulty kernel interpreted where its tests bear that."""
    kernel = re.search(r"^@(?:njit|kernel)\b", source, flags=re.M) is not None
    compiled = known.failed_interpreted if kernel else tests | mates
    if kernel:
        for batch in batches(fault.file, tests - compiled, mates - compiled, known.seconds):
            yield batch, "interpreted"
    for batch in batches(fault.file, tests & compiled, mates & compiled, known.seconds):
        yield batch, fault.name if kernel else "clean"


def told(result: Mapping[str, Any]) -> str:
    """Return one line of the table."""
    if not result["planted"]:
        return f"{result['fault']:26} NOT PLANTED: its line is not there"
    if "caught_by" in result:
        word = result["caught_by"]
    elif not result["tests"]:
        word = "not reached"
    else:
        word = "NOT caught" + (f" within the limit, at {result['limit']}" if "limit" in result else "")
        word += f"; pytest said: {result['trouble']}" if "trouble" in result else ""
    return f"{result['fault']:26} {result['seconds']:6.1f} s {result['tests']:5} tests by {result['by']:8} {word}"


def collect(bench: Bench, tests: Sequence[str], passes: Sequence[str]) -> None:
    """Run tests under coverage with their names as contexts; those of kernels (once more) with numba's compiler off."""
    for name, which, more, longest in (("tests", tests, {}, 900), ("kernels", KERNEL_TESTS, INTERPRETED, 60)):
        if passes and name not in passes:
            continue
        data, log, settings = bench.work / "data" / name, bench.work / f"{name}.log", bench.work / f"{name}.ini"
        shutil.rmtree(data, ignore_errors=True)
        data.mkdir(parents=True)
        settings.write_text(SETTINGS.format(data=data), "utf-8")
        command = [
            bench.python, "-c", PYTEST, str(settings), "-p", "no:cacheprovider", "-o", ADDOPTS, "-q", "--durations=0",
            f"--timeout={longest}", "--cov", f"--cov-config={settings}", "--cov-context=test", "--cov-report=",
            *QUIET, *(t for t in which if (bench.copy / t.partition("::")[0]).exists()),
        ]  # fmt: skip
        print(f"{name}: {log}", flush=True)
        with log.open("wb") as out:
            subprocess.run(command, cwd=bench.copy, env=bench.environment() | more, stdout=out, stderr=subprocess.STDOUT)
        print(log.read_text("utf-8", "replace").rstrip().rpartition("\n")[2], flush=True)


def main() -> None:
    """Collect coverage, or plant the faults; end with 1 where one was not caught, or could not be planted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repo", type=Path, default=Path(__file__).resolve().parents[1], help="the checkout")
    parser.add_argument("--work", type=Path, required=True, help="a folder for the copy and the results")
    parser.add_argument("--coverage", type=Path, nargs="+", help="data of coverage.py (default: DIR/data)")
    parser.add_argument("--logs", type=Path, nargs="+", default=[], help="of pytest --durations=0, beside DIR's own")
    parser.add_argument("--limit-s", type=float, default=240.0, help="seconds for one fault")
    parser.add_argument("--only", nargs="+", help="names of faults")
    parser.add_argument("--collect", nargs="*", choices=("tests", "kernels"), help="make DIR/data, or a part of it")
    parser.add_argument("--tests", nargs="+", default=["tests"], help="with --collect: the tests that are run")
    args = parser.parse_args()
    if strange := {*(args.only or ())} - {f.name for f in FAULTS}:
        parser.error(f"--only: there is no fault {', '.join(sorted(strange))}; fault_list.py names them")
    work = args.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    bench = Bench(work, sys.executable, args.limit_s)
    bench.made(args.repo.resolve())
    if args.collect is not None:
        collect(bench, args.tests, args.collect)
        return
    reach = Reach()
    reach.read(args.coverage or sorted((work / "data").glob("*/coverage*")), {f.file for f in FAULTS})
    logs = [work / "tests.log", *args.logs]
    known = Known(seconds_of(logs), failed_in(logs), failed_in([work / "kernels.log"]))
    results = work / "results.jsonl"
    text = results.read_text("utf-8") if results.is_file() else ""
    done = {r["fault"]: r for line in text.splitlines() if (r := json.loads(line))}
    wanted = [f for f in FAULTS if not args.only or f.name in args.only]
    for fault in wanted:
        if fault.name not in done:
            done[fault.name] = judged(bench, fault, reach, known)
            with results.open("a", encoding="utf-8") as out:
                out.write(json.dumps(done[fault.name]) + "\n")
        print(told(done[fault.name]), flush=True)
    found = [done[f.name] for f in wanted]
    caught = sum("caught_by" in r for r in found)
    absent = sum(not r["planted"] for r in found)
    bars = Bars("faults of those asked for")
    bars.at_most("not planted, as their line is not there", 0, absent)
    bars.equal("caught by a test", len(wanted), caught)
    bars.end()


if __name__ == "__main__":
    main()
