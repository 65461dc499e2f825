"""Runs the cases of `odd_inputs.py` through whichever datagen is on PYTHONPATH, and prints what came of each as JSON.

It knows the package of today and the one before the faults were mended, whose functions had fewer options: an option that is
not there is an error of the case, as it is for a user.
"""

from __future__ import annotations

import csv
import functools
import gzip
import importlib
import inspect
import io
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import chdir, redirect_stderr, suppress
from pathlib import Path
from typing import Any

LIMIT_S = 60  # of one case
TINY = Path(__file__).resolve().parents[1] / "tests" / "support" / "tiny"
SHARED = "SHARED/"  # begins the path of a file of ../shared/cases
Case = dict[str, Any]
Outcome = dict[str, Any]


def written(given: Mapping[str, Any], path: Path) -> None:
    """Write the file of a case: its text, its records in the container of the name, or rows in datagen's own format."""
    if "text" in given:
        text = given["text"].replace("\r\n", "\n").replace("\n", given.get("newline", "\n"))
        data = text.encode(given.get("written", "utf-8"), "surrogatepass")
    elif "native" in given:
        return own_format(given["native"], path)
    else:
        records, name = given["records"], path.name.removesuffix(".gz")
        if name.endswith(".parquet"):
            return parquet(records, path)
        if name.endswith((".csv", ".tsv")):
            text = io.StringIO()
            table = csv.DictWriter(text, list(records[0]), delimiter="\t" if name.endswith(".tsv") else ",")
            table.writeheader()
            table.writerows(records)
            data = text.getvalue().encode()
        elif name.endswith(".json"):
            data = json.dumps(records, ensure_ascii=False).encode("utf-8", "surrogatepass")
        else:
            data = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records).encode("utf-8", "surrogatepass")
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return None


def parquet(records: list[Any], path: Path) -> None:
    """Write records as a Parquet file, which pads structures with null as Arrow does."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(records), path)


def own_format(records: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows in datagen's own schema, but with null and any value allowed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from datagen.data.rows import ROW, new_row

    rows = [{**new_row(), **r} for r in records]
    schema = pa.schema([pa.field(f.name, f.type) for f in ROW])
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)


def known(function: Callable[..., Any], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options; ValueError for one that a function does not have."""
    if wrong := [name for name in options if name not in inspect.signature(function).parameters]:
        raise ValueError(f"no option {wrong[0]}")
    return dict(options)


def rows_of(case: Case, place: str) -> list[dict[str, Any]]:
    """Read the rows and ledger rows of a case."""
    from datagen.formats.read import read

    options: dict[str, Any] = {"mapping": case["map"]} if "map" in case else {}
    options |= {name: case[name] for name in ("roles", "split", "encoding") if name in case}
    needed = {"answers": case.get("answers", "named")}
    if "answers" in inspect.signature(read).parameters:
        options |= needed
    return list(read(place, **known(read, options)))


def shown(row: Mapping[str, Any]) -> Outcome:
    """Return what a row says."""
    from datagen.data.rows import conversation_turns
    from datagen.formats.tools import calls, tools_list

    turns = conversation_turns(row)
    found = {name: row[name] for name in ("instruction", "input", "output", "system", "source", "language")}
    return found | {
        "roles": " ".join(t["role"] for t in turns),
        "said": [t["content"] for t in turns],
        "reasoning": [t["reasoning"] for t in turns if t["reasoning"]],
        "calls": [[c["name"], c["arguments"]] for t in turns for c in calls(t["tool_calls"])],
        "tools": tools_list(row["tools"]) or [],
        "candidates": [c["text"] for c in row["candidates"] or ()],
    }


def outcome_of(rows: list[dict[str, Any]]) -> Outcome:
    """Return the rows and the ledger of a reading."""
    return {
        "rows": [shown(r) for r in rows if "reason" not in r],
        "ledger": [f"{r['reason']}: {r['evidence']}" for r in rows if "reason" in r],
    }


def staged(case: Case, place: str) -> Outcome:
    """Run stages one after the other over the rows of a case."""
    import numpy as np

    from datagen import stage
    from datagen.data.rows import table_of
    from datagen.options import split_stage
    from datagen.stage import Context

    read = rows_of(case, place)
    table = table_of([r for r in read if "reason" not in r])
    ledger: list[str] = []
    for one in case["stages"]:
        made = stage.make(*split_stage(one))
        begun = time.perf_counter()
        if made.rewrites:
            table = made.rewrite(table)
        else:
            alive = np.ones(len(table), bool)
            told = stage.apply(made, stage.scored(made, table, Context()), alive, Context())
            ledger += [f"{d['reason']}: {d['evidence']}" for d in told.dropped.to_pylist()]
            table = table.filter(alive)
        if "within" in case["right"] and (spent := time.perf_counter() - begun) > case["right"]["within"]:
            return {"error": f"it took {spent:.1f} s"}
    found = outcome_of([r for r in read if "reason" in r])
    return {"rows": [shown(r) for r in table.to_pylist()], "ledger": found["ledger"] + ledger}


def exported(case: Case, place: str) -> Outcome:
    """Export the rows of a case, and return the records."""
    from datagen.formats.write import export

    rows = [r for r in rows_of(case, place) if "reason" not in r]
    done = export(rows, case["export"], Path("out.jsonl"), with_card=False)
    print(*getattr(done, "notes", ()), sep="\n", file=sys.stderr)
    return {"value": [json.loads(line) for line in Path("out.jsonl").read_text("utf-8").splitlines()]}


@functools.cache
def tokenizer() -> Any:
    """The tokenizer of the tests' tiny model, with its ChatML."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(TINY)


def taught(case: Case, place: str) -> Outcome:
    """Return the texts that carry loss of the rows of a case, and why rows are left out."""
    from datagen.training.texts import samples_of

    rows = [r for r in rows_of(case, place) if "reason" not in r]
    left_out: list[Any] = []
    for module in ("datagen.answered", "datagen.render.answered"):  # the older place
        with suppress(ImportError):
            rows, left_out = importlib.import_module(module).all_up_to_last_answer(rows)
            break
    how: list[Any] = []
    if case["train"]:
        from datagen.render.options import Rendering

        how = [Rendering(**case["train"])]
    samples, more = samples_of(rows, tokenizer(), 1024, *how)
    texts = []
    for sample in samples:
        labels = [i for i, label in zip(sample.input_ids, sample.labels, strict=True) if label != -100]
        texts.append(tokenizer().decode(labels))
    return {"value": texts, "ledger": [reason for _, reason in [*left_out, *more]]}


def completion(raw: str) -> Outcome:
    """Read the raw answer of an endpoint."""
    from datagen.chat import completion as completions

    found = completions.read("key", raw)
    cut = found.cut_by if hasattr(found, "cut_by") else "cut_off" if found.cut else None
    return {"value": {"text": found.text, "reasoning": found.reasoning, "cut": cut, "error": bool(found.error)}}


def failure(raw: str) -> Outcome:
    """Say what follows an answer with HTTP 200."""
    place = ("http://localhost/v1", "m", ())
    try:
        from datagen.chat.refusals import in_answer
    except ImportError:
        from datagen.chat.failures import in_answer as older

        found: Any = older(raw, place[0], (), answered=True)
    else:
        found = in_answer(raw, place, answered=True)
    return {"value": found and found.then}


def plain(name: str, given: Any) -> Outcome:
    """Call a function of texts."""
    from datagen.answers.final_answer import final_answer, same_answer
    from datagen.answers.score import score_of
    from datagen.answers.tasks import items
    from datagen.chat.failures import of_line

    functions: dict[str, Callable[[], Any]] = {
        "final": lambda: final_answer(given), "same": lambda: same_answer(*given), "score": lambda: score_of(given),
        "status": lambda: of_line(*given, "http://localhost/v1", "m", ()).then,
        "items": lambda: [[i.instruction, i.input, i.output] for i in items(given, cut=False)],
    }  # fmt: skip
    return {"value": functions[name]()}


def ran(case: Case, folder: Path, shared: Path) -> Outcome:
    """Return what comes of a case in an empty folder."""
    for name, given in case.get("files", {case.get("file", "in.jsonl"): case}).items():
        if {"text", "native", "records"} & given.keys():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            written(given, folder / name)
    for name in ("completion", "failure", "final", "same", "score", "status", "items"):
        if name in case:
            given = case[name] if name in ("final", "same", "score", "status", "items") else text_of(case[name])
            return {"completion": completion, "failure": failure}.get(name, functools.partial(plain, name))(given)
    place = case.get("read", case.get("file", "in.jsonl"))
    place = str(shared / place.removeprefix(SHARED)) if place.startswith(SHARED) else place
    stages = [s.replace(SHARED, f"{shared}/") for s in case.get("stages", ())]
    case = {**case, "stages": stages}
    for name, work in (("stages", staged), ("export", exported), ("train", taught)):
        if name in case and (name != "stages" or case[name]):
            return work(case, place)
    return outcome_of(rows_of(case, place))


def text_of(answer: Any) -> str:
    """Return the raw text of an answer that a case gives as JSON or as text."""
    return answer if isinstance(answer, str) else json.dumps(answer)


def tried(case: Case, shared: Path) -> Outcome:
    """Return what comes of a case: an error of one line, or a crash, too."""
    from datagen.errors import DatagenError

    said = io.StringIO()
    with tempfile.TemporaryDirectory() as folder, chdir(folder), redirect_stderr(said):
        signal.alarm(LIMIT_S)
        try:
            found = ran(case, Path(folder), shared)
        except DatagenError as error:
            found = {"error": str(error), "code": error.exit_code}
        except Exception as error:  # noqa: BLE001 - whatever it is, the case is not right
            found = {"crash": f"{type(error).__name__}: {error}"}
        finally:
            signal.alarm(0)
    return {**found, "stderr": said.getvalue()}


def main() -> None:
    """Read cases from standard input; print an outcome per line, in their order."""

    def late(*_: object) -> None:
        raise TimeoutError(f"it took more than {LIMIT_S} s")

    signal.signal(signal.SIGALRM, late)
    shared = Path(sys.argv[1]).resolve()
    out, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        print(json.dumps(tried(json.loads(line), shared)), file=out, flush=True)


if __name__ == "__main__":
    main()
