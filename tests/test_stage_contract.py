"""What every stage owes: no row is lost, and the same verdicts however the rows are cut."""

from __future__ import annotations

import dataclasses
import json
import pickle
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tiny_model import TINY

from datagen import recipe, stage
from datagen.data.dataset import read_column, write_scores
from datagen.data.rows import LEDGER, ROW, Row, new_row, table_of, turn
from datagen.data.shards import ShardWriter, read_all
from datagen.runner import Result, execute
from datagen.stage import Context, Stage
from datagen.step import summary

CALL = '{"name": "weather", "arguments": {"city": "%s"}}'
STORY = "Once upon a time a small fox lived beside a quiet river and every morning it walked to the old mill to look for bread."
ZH = "请写一篇关于{}的短文，说明它的历史、现状和未来的发展方向，并给出两个具体的例子。"
TH = "ช่วยเขียนบทความสั้นเกี่ยวกับ{} โดยอธิบายประวัติความเป็นมาและยกตัวอย่างให้ชัดเจน"
ANSWER_ZH = "它有很长的历史，最早可以追溯到古代，今天在许多城市都能看到，未来还会继续发展下去。"
ANSWER_TH = "เรื่องนี้มีประวัติยาวนานตั้งแต่สมัยโบราณและยังพบเห็นได้ในหลายเมืองจนถึงทุกวันนี้"


def _fixture() -> list[Row]:
    """About sixty rows: three scripts, empty fields, tool calls, conversations, duplicates and remnants of templates."""
    rows = [
        new_row(instruction=f"What is the capital of {c}?", output=c[::-1], language="en")
        for c in ("Peru", "Chad", "Fiji", "Oman")
    ]
    rows += [
        new_row(instruction=f"Name {n} animals of the {p}.", output=f"{p} {n}") for n in range(2, 6) for p in ("sea", "forest")
    ]
    rows += [new_row(instruction=ZH.format(w), output=w + ANSWER_ZH, language="zh") for w in ("丝绸之路", "苏州园林", "京剧")]
    rows += [new_row(instruction=TH.format(w), output=w + ANSWER_TH, language="th") for w in ("ข้าว", "มวยไทย", "ผ้าไหม")]
    rows += [new_row(instruction=ZH.format("丝绸之路") + "谢谢", output="丝绸之路" + ANSWER_ZH, language="zh")]
    rows += [new_row(instruction=TH.format("ข้าว") + "ครับ", output="ข้าว" + ANSWER_TH, language="th")]
    rows += [
        new_row(instruction=f"Tell a story about a fox{end}", output=STORY) for end in ("", ".", " and a mill.", ", please")
    ]
    rows += [new_row(instruction="Continue.", input=STORY, output=f"It found {n} loaves.") for n in ("two", "three", "four")]
    rows += [new_row(instruction="Say nothing.", output=o) for o in ("", " \n")]
    rows += [
        new_row(instruction=i, output="Something.") for i in ("", "{instruction}", "<noinput>", "none", "ok?", "???", "😀")
    ]
    rows += [
        new_row(instruction=f"Task {n}", output=o)
        for n, o in enumerate(("Paris.<|im_end|>", "### Response:\nParis.", "Output: 1"))
    ]
    rows += [new_row(instruction="Same task", output=o, source=o) for o in ("a", "b", "c")]
    for city in ("Bangkok", "Taipei", "Lima"):
        asked = [turn("user", f"Is it raining in {city}?"), turn("assistant", None, tool_calls=CALL % city)]
        told = [turn("tool", '{"rain": true}', tool_call_id="1"), turn("assistant", "Yes, take an umbrella.")]
        rows.append(new_row(instruction=f"Is it raining in {city}?", tools='[{"name": "weather"}]', messages=asked))
        rows.append(new_row(instruction="Is it?", output="Yes.", system="Be kind.", tools="[]", messages=[*asked, *told]))
    rows += [new_row(instruction="Hi", messages=[turn("user", "Hi"), turn("assistant", "Hello."), turn("user", "Bye")])]
    rows += [new_row(messages=[]), new_row(instruction="a\u0301\u200b", output="\x00\x1f")]
    rows += [new_row(instruction="Rank", output="b", candidates=[{"text": "b", "score": 1.0, "source": "m"}])]
    return [*rows, *(dict(r) for r in rows[:4]), *(dict(r, source="again") for r in rows[11:13])]


ROWS = _fixture()
NAMES = stage.names()
RUN = [pytest.param(n, marks=[pytest.mark.slow] if n in ("ifd", "semantic", "tag") else []) for n in NAMES]  # those load models
BENCHMARK = Path(__file__).parent / "support" / "benchmark_items.jsonl"
OPTIONS: dict[str, dict[str, Any]] = {  # what a stage cannot do without, and the tiny model
    "clean": {"do": "unicode"}, "decontaminate": {"against": str(BENCHMARK)}, "balance": {"size": 20},
    "ifd": {"model": str(TINY)}, "judge": {"model": str(TINY)},  # nothing in the contract depends on what a model knows
}  # fmt: skip


# The small models are English: what they cannot read ends a run, which is tested beside them.
ENGLISH = [r for r in ROWS if r["instruction"].isascii() and r["output"].isascii()]


def rows_for(name: str) -> list[Row]:
    if name == "judge":  # its prompt is long
        return ENGLISH[:6]
    return ENGLISH[::3] if name in ("semantic", "ifd") else ROWS


def made_of(name: str) -> Stage:
    return stage.make(name, OPTIONS.get(name, {}))


def step_of(name: str) -> dict[str, Any]:
    return {name: OPTIONS.get(name, {})}


def write_rows(folder: Path, rows: list[Row]) -> Path:
    with ShardWriter(folder, ROW) as writer:
        for row in rows:
            writer.add(row)
    return folder


def run_of(tmp_path: Path, steps: list[Any], rows: list[Row] = ROWS, out: str = "out") -> Result:
    return execute(recipe.make(steps, input=(str(write_rows(tmp_path / "in", rows)),)), tmp_path / out)


def kept_and_dropped(result: Result) -> tuple[pa.Table, pa.Table]:
    return read_all(result.folder / "kept"), read_all(result.folder / "dropped")


def verdicts(made: Stage, rows: list[Row], size: int, folder: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Score the rows in batches, read the scores back from disk, decide; return scores and verdicts."""
    folder.mkdir()
    table = table_of(rows)
    for n, at in enumerate(range(0, max(1, len(rows)), size)):
        write_scores(folder / f"{n:05d}.arrow", stage.scored(made, table.slice(at, size), Context()))
    columns = read_column(folder)
    judged = stage.apply(made, columns, np.ones(len(rows), bool), Context()).dropped
    return columns.to_pylist(), judged.to_pylist()


def test_the_fixture_holds_what_it_says() -> None:
    assert 50 <= len(ROWS) <= 75
    assert len({r["id"] for r in ROWS}) == len(ROWS) - 6


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_has_one_name_a_sentence_and_frozen_options(name: str) -> None:
    made = made_of(name)
    assert made.name == name
    assert (Path(stage.__file__).parent / "curate" / f"{name}.py").is_file()
    assert summary(type(made)).endswith(".")
    assert made.reasons or made.marks
    assert stage.ERROR not in made.reasons
    assert made.decides <= {f.name for f in dataclasses.fields(made)}
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.anything = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NAMES)
def test_a_stage_pickles(name: str) -> None:
    made = made_of(name)
    assert pickle.loads(pickle.dumps(made)) == made


@pytest.mark.parametrize("name", RUN)
def test_every_row_ends_as_one_kept_or_one_dropped_row(name: str, tmp_path: Path) -> None:
    rows = rows_for(name)
    result = run_of(tmp_path, [step_of(name)], rows_for(name))
    kept, dropped = kept_and_dropped(result)
    moved = read_all(result.folder / "rewritten").to_pylist() if (result.folder / "rewritten").is_dir() else []
    now = {m["old_id"]: m["new_id"] for m in moved}  # of a stage that rewrites
    ends = Counter(kept.column("id").to_pylist() + dropped.column("id").to_pylist())
    assert ends == Counter(now.get(r["id"], r["id"]) for r in rows)
    if made_of(name).rewrites:
        assert moved and {m["stage"] for m in moved} == {name}
        return
    assert result.summary["rows_in"] == len(rows) == len(kept) + len(dropped)
    assert (result.summary["rows_kept"], result.summary["rows_dropped"]) == (len(kept), len(dropped))
    mine = [r for r in dropped.to_pylist() if r["stage"] == name]
    assert {r["reason"] for r in mine} <= stage.find(name).reasons
    assert {r["witness_id"] for r in mine} - {None} <= set(kept.column("id").to_pylist())
    by_id = {r["id"]: r for r in reversed(rows)}
    order = list(dict.fromkeys(r["id"] for r in rows))
    assert [order.index(r["id"]) for r in mine] == sorted(order.index(r["id"]) for r in mine)
    if set(ROW.names) & {*made_of(name).adds, *made_of(name).marks}:
        return
    expected = [{**by_id[i], "source": by_id[i]["source"] or "in"} for i in kept.column("id").to_pylist()]  # the file's name
    assert [{k: r[k] for k in ROW.names} for r in kept.to_pylist()] == expected


def alike(a: Any, b: Any) -> bool:
    words = a is None or isinstance(a, str) or (isinstance(a, list) and all(isinstance(x, str) for x in a))
    return bool(a == b if words else a == pytest.approx(b, rel=0.03, abs=0.03))


@pytest.mark.parametrize("name", RUN)
def test_the_batch_size_changes_neither_scores_nor_verdicts(name: str, tmp_path: Path) -> None:
    made = made_of(name)
    if made.rewrites:
        table, parts = table_of(ROWS), [table_of(ROWS).slice(at, 7) for at in range(0, len(ROWS), 7)]
        assert pa.concat_tables(made.rewrite(p) for p in parts).equals(made.rewrite(table))
        return
    rows = rows_for(name)
    whole = verdicts(made, rows, len(rows), tmp_path / "all")
    assert len(whole[0]) == len(rows)
    assert all(s["error"] is None for s in whole[0])
    for size, folder in ((1, "one"), (7, "seven")):
        scores, judged = verdicts(made, rows, size, tmp_path / folder)
        if made.parallel == "rows":
            assert (scores, judged) == whole
        else:  # a model's arithmetic depends in its last digits on what stands beside a row
            assert [d["row"] for d in judged] == [d["row"] for d in whole[1]]
            for here, there in zip(scores, whole[0], strict=True):
                assert all(alike(here[k], there[k]) for k in here)


@pytest.mark.parametrize("name", RUN)
def test_a_second_run_agrees_and_the_same_folder_has_nothing_to_do(name: str, tmp_path: Path) -> None:
    first, again = run_of(tmp_path, [step_of(name)], rows_for(name)), run_of(tmp_path, [step_of(name)], rows_for(name))
    other = run_of(tmp_path, [step_of(name)], rows_for(name), out="other")
    assert (first.worked, again.worked) == (True, False)
    for part in ("kept", "dropped"):
        shards = [(r.folder / part / "00000.parquet").read_bytes() for r in (first, other)]
        assert shards[0] == shards[1]


@pytest.mark.parametrize("name", RUN)
def test_an_empty_dataset_works(name: str, tmp_path: Path) -> None:
    if not made_of(name).rewrites:
        assert verdicts(made_of(name), [], 7, tmp_path / "scores") == ([], [])
    kept, dropped = kept_and_dropped(run_of(tmp_path, [step_of(name)], []))
    assert (len(kept), len(dropped)) == (0, 0)
    assert kept.schema.names[: len(ROW)] == ROW.names
    assert dropped.schema.names[: len(LEDGER)] == LEDGER.names


@pytest.mark.parametrize("name", RUN)
def test_a_stage_after_one_that_drops_everything_works(name: str, tmp_path: Path) -> None:
    empty = [new_row(instruction=f"task {i}") for i in range(3)]
    kept, dropped = kept_and_dropped(run_of(tmp_path, ["rules", step_of(name)], empty))
    assert (len(kept), dropped.column("reason").to_pylist()) == (0, ["empty_answer"] * 3)


BREAKS = '''
from __future__ import annotations
from dataclasses import dataclass
from typing import ClassVar
import pyarrow as pa
from datagen.similarity.columns import token_lists
from datagen.similarity.tokenised import tokenised
from datagen.stage import Context, Stage, Verdict

@dataclass(frozen=True)
class Breaks(Stage):
    """Break on a word."""

    word: str = "BREAK"  # a row whose task is this breaks
    reason: str = "long"  # given to rows of more than four tokens
    reasons: ClassVar[frozenset[str]] = frozenset({"long"})

    @property
    def adds(self) -> dict[str, pa.DataType]:
        return {"words": pa.int64()}

    def score(self, rows: pa.Table, ctx: Context) -> dict[str, pa.Array]:
        texts = [t.split() for t in rows.column("instruction").to_pylist()]
        max(len(t) for t in texts)  # an empty batch breaks too
        if any(t == [self.word] or self.word == "*" for t in texts):
            raise ValueError(f"met {self.word}")
        tokens = tokenised([" ".join(t) for t in texts]).column()
        return {"tokens": tokens, "words": pa.array([len(t) for t in texts], pa.int64())}

    def decide(self, columns: pa.Table, ctx: Context) -> Verdict:
        lists = token_lists(columns.column("tokens"))
        lengths = (lists.offsets[1:] - lists.offsets[:-1]).tolist()
        return Verdict(pa.array([self.reason if n > 4 else None for n in lengths], pa.string()))
'''
TASKS = ["one", "one two", "BREAK", "a b c d e", "x y", "a b c"]


@pytest.fixture
def user_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Put a user's stage on the path; return its dotted name, another for every test."""
    package = f"stages_of_{tmp_path.name}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / package / "breaks.py").write_text(BREAKS)
    monkeypatch.syspath_prepend(tmp_path)
    return f"{package}.breaks"


def test_a_row_that_breaks_a_stage_is_the_only_row_with_the_reason_error(user_stage: str, tmp_path: Path) -> None:
    rows = [new_row(instruction=t, output="ok") for t in TASKS]
    result = run_of(tmp_path, [user_stage], rows)
    kept, dropped = kept_and_dropped(result)
    assert kept.column("instruction").to_pylist() == ["one", "one two", "x y", "a b c"]
    assert dropped.select(["instruction", "stage", "reason", "evidence"]).to_pylist() == [
        {"instruction": "BREAK", "stage": user_stage, "reason": "error", "evidence": "ValueError: met BREAK"},
        {"instruction": "a b c d e", "stage": user_stage, "reason": "long", "evidence": None},
    ]
    assert result.errors == 1


def test_the_command_ends_with_3_and_processes_the_rest(
    user_stage: str, tmp_path: Path, datagen: Callable[..., Any], write_jsonl: Callable[..., Path]
) -> None:
    write_jsonl("in.jsonl", *({"instruction": t, "output": "ok"} for t in TASKS))
    done = datagen("filter", "in.jsonl", "-o", "out", "--stage", f"{user_stage}:word=BREAK", "--json")
    assert done.returncode == 3
    assert "1 rows broke a stage" in done.stderr
    assert json.loads(done.stdout)["stages"][1]["dropped"] == {"error": 1, "long": 1}
    assert len(read_all(tmp_path / "out" / "kept")) == 4


def test_a_stage_that_every_row_breaks_loses_no_row(user_stage: str, tmp_path: Path) -> None:
    rows = [new_row(instruction=t, output="ok") for t in TASKS]
    result = run_of(tmp_path, [{user_stage: {"word": "*"}}, "minhash"], rows)
    kept, dropped = kept_and_dropped(result)
    assert (len(kept), dropped.column("reason").to_pylist()) == (0, ["error"] * len(TASKS))
    assert "words" in kept.schema.names


@pytest.mark.parametrize("at_work", ["score", "decide", "rewrite"])
@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("import no_such_module_here", "needs the module 'no_such_module_here': pip install no_such_module_here"),
        ("from json import no_such_name", "cannot import what it needs: cannot import name 'no_such_name'"),
    ],
)
def test_a_stage_that_cannot_import_what_it_needs_at_work_ends_the_run_at_once(
    user_stage: str, tmp_path: Path, datagen: Callable[..., Any], write_jsonl: Callable[..., Path], at_work: str, line: str,
    said: str,
) -> None:  # fmt: skip
    code = {
        "score": BREAKS.replace("        texts = [", f"        {line}\n        texts = ["),
        "decide": BREAKS.replace("        lists = ", f"        {line}\n        lists = "),
        "rewrite": f"{BREAKS}\n    rewrites: ClassVar[bool] = True\n\n    def rewrite(self, rows):\n        {line}\n",
    }[at_work]
    (tmp_path / user_stage.partition(".")[0] / "breaks.py").write_text(code)
    write_jsonl("in.jsonl", *({"instruction": t, "output": "ok"} for t in TASKS))
    done = datagen("filter", "in.jsonl", "-o", "out", "--stage", user_stage)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"datagen: stage '{user_stage}' {said}" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "out" / "run.json").exists()


def test_a_stage_that_breaks_on_an_empty_batch_does_not_hang(user_stage: str, tmp_path: Path) -> None:
    kept, dropped = kept_and_dropped(run_of(tmp_path, [user_stage], []))
    assert (len(kept), len(dropped)) == (0, 0)


def test_a_column_that_a_stage_adds_stays_with_kept_and_dropped_rows(user_stage: str, tmp_path: Path) -> None:
    kept, dropped = kept_and_dropped(
        run_of(tmp_path, [user_stage, "rules"], [new_row(instruction=t, output="ok") for t in TASKS])
    )
    assert kept.column("words").to_pylist() == [1, 2, 2, 3]
    assert dropped.column("words").to_pylist() == [None, 5]
    assert kept.schema.field("words").type == pa.int64()


def test_a_reason_that_a_stage_does_not_declare_is_an_error(user_stage: str, tmp_path: Path) -> None:
    with pytest.raises(stage.DatagenError, match=f"stage '{user_stage}' gave the undeclared reason 'huge'"):
        run_of(tmp_path, [{user_stage: {"reason": "huge"}}], [new_row(instruction="a b c d e", output="ok")])
    assert not (tmp_path / "out" / "run.json").exists()


def test_a_result_is_no_longer_marked_while_another_is_made_in_its_folder(user_stage: str, tmp_path: Path) -> None:
    rows = [new_row(instruction="a", output="ok")]
    looks = tmp_path / user_stage.split(".")[0] / "looks.py"
    looks.write_text(BREAKS.replace("n > 4", f"__import__('os').path.exists({str(tmp_path / 'out' / 'run.json')!r})"))
    run_of(tmp_path, ["rules"], rows)
    kept, dropped = kept_and_dropped(run_of(tmp_path, ["rules", user_stage.replace(".breaks", ".looks")], rows))
    assert (len(kept), dropped.num_rows) == (1, 0)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ruge", "there is no stage 'ruge'; did you mean 'rouge'?"),
        ("no.such.module", "there is no stage 'no.such.module'"),
        ("../rouge", "is not the name of a stage"),
        ("datagen.stage", "stage 'datagen.stage': datagen.stage defines 0 subclasses of Stage; it must define one"),
    ],
)
def test_a_name_that_is_no_stage_is_an_error_that_helps(name: str, message: str) -> None:
    with pytest.raises(stage.UsageError) as error:
        stage.find(name)
    assert message in str(error.value)
