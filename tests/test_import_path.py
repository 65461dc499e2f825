"""The current folder is on the import path only for a dotted name of a stage."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_gguf import write_small_gguf

from datagen.child import python

SHADOWS = (
    "org", "click", "json", "numpy", "pyarrow", "yaml", "regex", "filelock", "tqdm", "signal", "pickle", "struct", "typing",
    "multiprocessing", "xllamacpp", "sqlite3", "datagen_stage",
)  # fmt: skip
STAGE = """
from dataclasses import dataclass
from typing import ClassVar
import pyarrow as pa
from beside import LIMIT
from datagen.stage import Stage
from datagen.verdict import Verdict

@dataclass(frozen=True)
class Short(Stage):
    version: ClassVar[int] = 1
    reasons: ClassVar = frozenset({"short"})
    reads: ClassVar = ("output",)
    adds: ClassVar = {"length": pa.int32()}

    def score(self, rows, ctx):
        return {"length": pa.array([len(t) for t in rows.column("output").to_pylist()], pa.int32())}

    def decide(self, columns, ctx):
        return Verdict(pa.array(["short" if n < LIMIT else None for n in columns.column("length").to_pylist()], pa.string()))
"""


@pytest.fixture
def shadowed(tmp_path: Path) -> Path:
    """A folder whose files have the names of modules that datagen imports; each leaves a mark when it runs."""
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'a').write({name!r})\nraise SystemExit(9)\n")
    return tmp_path


def started(how: str, script: Path, *args: Any, cwd: Path) -> subprocess.CompletedProcess[str]:
    script.write_text("from datagen.cli import main\nif __name__ == '__main__':\n    main()\n")  # as pip writes it
    words = ["-m", "datagen"] if how == "module" else [str(script)]
    return subprocess.run([sys.executable, *words, *map(str, args)], cwd=cwd, capture_output=True, text=True, timeout=300)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["module", "script"])
def test_a_file_of_the_current_folder_hides_no_module(
    how: str, shadowed: Path, write_jsonl: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows = write_jsonl("rows.jsonl", {"instruction": "Name a river.", "output": "The Rhine"})
    done = started(
        how, tmp_path_factory.mktemp("bin") / "datagen", "filter", rows, "-o", "out", "--stage", "rules", cwd=shadowed
    )
    assert (done.returncode, (shadowed / "ran").exists()) == (0, False), done.stderr


# A script as people write one: it does not ask for its name.
POOL = """
import sys
from pathlib import Path
from datagen.engine.local import LocalEngine
from datagen.serving import served
print("runs once")
with LocalEngine(2) as engine:
    assert list(engine.map(len, ["a", "bb", "ccc"])) == [1, 2, 3]
try:
    with served.served(sys.argv[1]):
        pass
except served.ServerError:  # of a folder without a model; the server started, and looked
    pass
"""


@pytest.mark.parametrize("server", ["llama.cpp", pytest.param("transformers", marks=pytest.mark.slow)])
def test_processes_of_a_pool_and_servers_import_nothing_of_the_current_folder_nor_run_the_script_again(
    server: str, shadowed: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    script = tmp_path_factory.mktemp("bin") / "pool.py"
    script.write_text(POOL)
    model = write_small_gguf(shadowed / "small.gguf") if server == "llama.cpp" else shadowed
    done = subprocess.run([sys.executable, str(script), str(model)], cwd=shadowed, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "runs once\n"), done.stderr
    assert not (shadowed / "ran").exists()


@pytest.mark.parametrize("module", ["datagen.json_text", "datagen.remnants"])
def test_a_child_in_python_imports_nothing_of_the_current_folder(
    module: str, shadowed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shadowed)
    done = subprocess.run(python(module), capture_output=True, text=True, timeout=60)
    assert (done.returncode, (shadowed / "ran").exists()) == (0, False), done.stderr


def test_a_dotted_name_imports_a_module_of_the_current_folder_and_what_it_needs(
    datagen: Callable[..., Any], tmp_path: Path, write_jsonl: Callable[..., Path]
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "short.py").write_text(STAGE)
    (tmp_path / "beside.py").write_text("LIMIT = 5\n")
    rows = write_jsonl(
        "rows.jsonl", {"instruction": "A?", "output": "Yes"}, {"instruction": "Name a river.", "output": "The Rhine"}
    )
    done = datagen("filter", rows, "-o", "out", "--stage", "mine.short")
    assert done.returncode == 0, done.stderr
    assert "short 1" in done.stdout
