"""Rows that a teacher works on: each is replaced by what the model makes of it, or stays beside it."""

from __future__ import annotations

import contextlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from datagen import assets
from datagen import options as option_fields
from datagen.data.dataset import Dataset, reason_counts
from datagen.data.rows import LEDGER, REWRITTEN, ROW, Row, dropped_row, operation_of
from datagen.data.shards import ShardWriter, fingerprint, read_all, read_shards
from datagen.errors import BudgetError, DataError, DatagenError, ModelError, UsageError
from datagen.formats import read as readers
from datagen.recipe import Step
from datagen.stage import ERROR
from datagen.steps.entry import VERSION, entry
from datagen.steps.generating import diversity_of
from datagen.steps.model import chat_of, prompt_files, spent
from datagen.teacher import Lesson, Teacher
from datagen.text.names import PROMPTS
from datagen.text.row_language import languages_of
from datagen.work import Run, Work

if TYPE_CHECKING:
    from datagen.chat.client import Chat

Taught = tuple[Row, list[Row]]


def teach(run: Run, step: Step, folder: Path) -> Work:
    """Ask a model about every row that is left; each answer goes through the run's journal."""
    from datagen.chat.options import TRAVEL
    from datagen.chat.recorded import asked_again
    from datagen.models.names import is_local

    options, data = step.options, run.datasets[-1]
    matter = {k: v for k, v in option_fields.values(options).items() if k not in TRAVEL}
    weights = run.identity(options.model) if is_local(options.model) else options.model
    people = options.people
    beside = run.digest(f"{step.name}.seed_rows", [people]) if people else []
    run.watch(f"{step.name}.prompts", prompt_files(options))
    mark = fingerprint(
        VERSION, matter, prompts(options), weights, data.fingerprint, run.tail,
        asked_again(options, run.out), beside, *options.changed,
    )  # fmt: skip

    def work() -> dict[str, Any]:
        rows_in = int(data.alive().sum())
        by_people = [r for r in readers.read(assets.shipped(people)) if "reason" not in r] if people else []
        run.check_unchanged(f"{step.name}.seed_rows")
        run.progress.step(f"{step.name}: model", None, "rows")  # which starts here, where it is a local one
        check(run, step, data)
        with chat_of(run, step) as chat:
            run.progress.step(step.name, rows_in, "rows")
            lesson = options.lesson(step.name, chat)
            run.check_unchanged(f"{step.name}.prompts")
            with contextlib.closing(taught(data.kept_rows(whole=True), lesson, chat, step.name, options.stall)) as came:
                told = _written(run, step, folder, data, _Class(chat, lesson), came)
        return {**told, **_diversity(run, step, folder, by_people)}

    return Work(mark, work, rows=True, moved=True)


def _diversity(run: Run, step: Step, folder: Path, by_people: Sequence[Row]) -> dict[str, Any]:
    """The verbs and nouns of the new instructions beside those of rows by people, where a step names some."""
    if not by_people:
        return {}
    run.progress.step(f"{step.name}: diversity", None, "rows")
    languages = Counter(read_all(folder / "rows", ["language"]).column("language").to_pylist())
    most = next((name for name, _ in languages.most_common() if name in PROMPTS), "en")
    try:
        return {"diversity": diversity_of(folder, by_people, most)}
    except UsageError as e:  # the words of that language need an extra
        return {"notes": {"diversity": str(e)}}


def prompts(teacher: Teacher) -> list[str]:
    """Return the text of every prompt that a teacher may use; its rows depend on them."""
    languages = PROMPTS if teacher.language == "auto" else (teacher.language,)
    return [assets.prompt(name, language, teacher.prompts) for name in teacher.prompt_names for language in languages]


def check(run: Run, step: Step, data: Dataset) -> None:
    """Refuse rows that a model of this step or of a later one does not read, before any of them is paid for.

    Raises:
        UsageError: it does not, with what to name instead.
    """
    step.options.check_rows(step.name, languages_of(data.kept_rows()))
    if step.options.reads_passages:
        for later in run.recipe.steps:
            later.options.check_passages(later.name, data.kept_rows())


@dataclass
class _Class:
    """What is under way: the chat, whether rows are added, and counts of what came so far."""

    chat: Chat
    lesson: Lesson
    made: int = 0
    kept: int = 0
    new: int = 0  # of the kept rows, those that were made
    operations: dict[str, list[int]] = field(default_factory=dict)  # of evolutions: made, and of these kept
    dropped: Counter[str] = field(default_factory=Counter)
    stopped: DatagenError | None = None

    @property
    def adds(self) -> bool:
        """Whether rows stay beside what is made of them."""
        return self.lesson.adds


def taught(rows: Iterable[Row], lesson: Lesson, chat: Chat, step: str, stall: int) -> Generator[Taught, None, None]:
    """Yield each row and what became of it, in order; `chat` is closed afterwards.

    Args:
        rows: what to work on.
        lesson: the work on each.
        chat: its model.
        step: the name for ledger rows.
        stall: so many rows in a row of which nothing is kept, though the model was asked, end it.

    Raises:
        DatagenError: see `asking.in_order`.
    """
    from datagen.chat.asking import Stall, in_order
    from datagen.chat.client import NotRecordedError
    from datagen.chat.turns import ASKED

    asked: deque[list[str]] = deque()  # what the model was asked about each row that was begun, in order
    vain = Stall(stall, "rows")

    def begun(row: Row) -> Callable[[], Awaitable[Taught]]:
        keys: list[str] = []
        asked.append(keys)

        async def one() -> Taught:
            ASKED.set(keys)  # the piece's own context
            try:
                return row, _rows_of(await lesson.taught(row), adds=lesson.adds)
            except NotRecordedError:
                return row, [dropped_row(row, step, "not_reached", evidence="the journal has no answer for it")]
            except DatagenError:
                raise
            except (Exception, SystemExit) as e:  # noqa: BLE001 - whatever an answer does to its reader, the row is a ledger row
                return row, [dropped_row(row, step, ERROR, evidence=f"{type(e).__name__}: {e}")]

        return one

    def watch(done: Taught) -> None:
        lost = [one for one in done[1] if "reason" in one]
        whole = len(lost) < len(done[1]) or not lost
        vain.note(bool(asked.popleft()), None if whole else lost[0]["reason"], None if whole else lost[0]["evidence"])

    yield from in_order(chat, map(begun, rows), watch)


def _rows_of(made: Any, *, adds: bool) -> list[Row]:
    """Return what was made of a row; raises TypeError and ValueError where a lesson of one's own gives what is none."""
    if not isinstance(made, (list, tuple)) or not all(isinstance(one, dict) and "id" in one for one in made):
        raise TypeError(f"taught() must return a list of rows, not {str(made)[:80]}")
    if not made and not adds:
        raise ValueError("taught() returned no row")
    return list(made)


def _written(
    run: Run, step: Step, folder: Path, data: Dataset, work: _Class, came: Generator[Taught, None, None]
) -> dict[str, Any]:  # fmt: skip
    """Write what comes; return the step's entry. What a cap or the endpoint cut short stands, the rest is `not_reached`."""
    from datagen.chat.usage import account

    extra, rows_in = data.added(), int(data.alive().sum())
    seen: set[str] = set()
    scores = [f.name for f in extra]  # of a text that a new row no longer has
    with (
        ShardWriter(folder / "rows", pa.schema([*ROW, *extra])) as kept,
        ShardWriter(folder / "dropped", pa.schema([*LEDGER, *extra])) as dropped,
        ShardWriter(folder / "rewritten", REWRITTEN.remove(2)) as ids,
    ):
        done = 0
        for row, made in _until_stopped(work, came):
            done += 1
            made = [one if one["id"] == row["id"] else {**one, **dict.fromkeys(scores)} for one in made]
            if work.adds:
                made = [row, *made]
                work.made += len(made) - 1
            for one in made:
                _place(step.name, row, one, seen, work, (kept, dropped, ids))
            run.progress.at(done, f"{spent(work.chat, work.kept)}{_note(work)}")
        for row in islice(data.kept_rows(whole=True), done, None) if work.stopped is not None else ():
            late = dropped_row(row, step.name, "not_reached", evidence=str(work.stopped))
            _place(step.name, row, row if work.adds else late, seen, work, (kept, dropped, ids))
    if work.stopped is not None and not done:
        raise work.stopped
    stopped = None
    if work.stopped is not None:
        stopped = {"exit_code": work.stopped.exit_code, "message": str(work.stopped)}
    lost = reason_counts(read_shards(folder / "dropped", ["reason"]))
    adding = {"makes_rows": True, "new_rows_in": work.made} if work.adds else {}
    return {
        **entry(step.name, option_fields.values(step.options), rows_in + work.made, lost, **adding),
        **account(work.chat, work.new if work.adds else work.kept), "rows_asked": done, "stopped": stopped,
        **({"new_rows": work.new} if work.adds else {}),
        **({"operations": dict(sorted(work.operations.items()))} if work.operations else {}),
        **({"best": dict(sorted(told.items()))} if (told := getattr(work.lesson, "told", None)) else {}),
    }  # fmt: skip


def _until_stopped(work: _Class, came: Generator[Taught, None, None]) -> Iterator[Taught]:
    """Yield what comes until a cap, the endpoint or the journal ends it, which is noted."""
    try:
        yield from came
    except (BudgetError, ModelError, DataError) as e:
        work.stopped = e


def _place(
    step: str, row: Row, one: Row, seen: set[str], work: _Class, writers: tuple[ShardWriter, ShardWriter, ShardWriter]
) -> None:  # fmt: skip
    """Write a row where it belongs; one that an earlier row equals is a duplicate of it."""
    kept, dropped, ids = writers
    if "reason" not in one and one["id"] in seen:
        one = dropped_row(one, step, "exact_duplicate", witness_id=one["id"])
    if not work.adds and one["id"] != row["id"]:
        ids.add({"old_id": row["id"], "new_id": one["id"]})
    lost = "reason" in one
    if work.adds and one["id"] != row["id"]:
        work.new += not lost
        if operation := operation_of(one):
            counts = work.operations.setdefault(operation, [0, 0])
            counts[0] += 1
            counts[1] += not lost
    if lost:
        work.dropped[one["reason"]] += 1
        dropped.add(one)
        return
    seen.add(one["id"])
    work.kept += 1
    kept.add(one)


def _note(work: _Class) -> str:
    words = [f"{work.chat.sent:,} asked"]
    words += [f"{reason} {count:,}" for reason, count in work.dropped.most_common(1)]
    return ", ".join(words)
