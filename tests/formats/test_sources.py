"""What a user may name as a source: files, folders, standard input, the Hugging Face hub."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import zstandard

from datagen.data.rows import new_row, table_of
from datagen.errors import DataError, UsageError
from datagen.formats.read import read
from datagen.formats.write import export

A = {"instruction": "Add.", "input": "", "output": "4"}
B = {"instruction": "ลบ", "input": "", "output": "零"}
LINES = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in (A, B)).encode()


def write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def texts(path: str):
    return [(r["instruction"], r["output"]) for r in read(path)]


def test_a_missing_file_names_its_neighbour(tmp_path):
    write(tmp_path / "train.jsonl", LINES)
    with pytest.raises(DataError, match=r"no such file or directory: .*trian\.jsonl; did you mean '.*train\.jsonl'\?"):
        read(str(tmp_path / "trian.jsonl"))


def test_a_folder_is_read_in_order_without_hidden_and_foreign_files(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / ".cache").mkdir()
    for name, label in [
        ("b/1.jsonl", "b"),
        ("a.csv.gz", "a"),
        (".cache/x.jsonl", "no"),
        ("note.txt", "no"),
        ("c.json.zst", "c"),
    ]:
        content = json.dumps({"instruction": label, "output": "x"}).encode()
        if name.endswith(".csv.gz"):
            content = gzip.compress(f"instruction,output\n{label},x\n".encode(), mtime=0)
        if name.endswith(".zst"):
            content = zstandard.compress(content)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "dataset_info.json").write_text("{}")
    assert [t[0] for t in texts(str(tmp_path))] == ["a", "b", "c"]


def test_files_of_a_folder_that_are_not_read_are_named_once(tmp_path, capsys):
    for name in ("a.jsonl", "b.xlsx", "c.txt", "d.zip", "ข้อมูล.yaml", "README.md", "LICENSE", ".hidden", "dataset_info.json"):
        write(tmp_path / name, LINES)
    (tmp_path / "lost.jsonl").symlink_to(tmp_path / "nowhere")
    (tmp_path / "other").symlink_to(tmp_path.parent)
    assert len(texts(str(tmp_path))) == len(texts(str(tmp_path))) == 2
    said = capsys.readouterr().err
    assert said == f"datagen: {tmp_path}: 6 files in it not read, by their names: b.xlsx, c.txt, d.zip, …\n"
    for name in ("b.xlsx", "c.txt", "d.zip"):
        (tmp_path / name).unlink()
    texts(str(tmp_path))
    assert "lost.jsonl (a link to nothing), other (a link to a folder), ข้อมูล.yaml" in capsys.readouterr().err


def test_a_folder_without_data_names_what_it_holds(tmp_path):
    write(tmp_path / "rows.xlsx", b"PK")
    with pytest.raises(DataError, match=r"no data file in this folder \(it holds rows\.xlsx\); expected \.json, .*also \.gz"):
        read(str(tmp_path))


@pytest.mark.parametrize(("name", "pack"), [("c.jsonl.bz2", bz2.compress), ("c.jsonl.xz", lzma.compress)])
def test_bzip2_and_xz_in_a_folder_are_read_and_not_written(tmp_path, name, pack):
    write(tmp_path / name, pack(LINES))
    assert texts(str(tmp_path)) == [("Add.", "4"), ("ลบ", "零")]
    with pytest.raises(UsageError, match=r"is read, not written; name the file out\.jsonl\.gz"):
        export([], "alpaca", tmp_path / f"out.jsonl{Path(name).suffix}")


def test_a_result_folder_gives_its_kept_rows(tmp_path):
    import pyarrow.parquet as pq

    for name in ("kept", "dropped"):
        (tmp_path / name).mkdir()
        pq.write_table(table_of([new_row(instruction=name, output="x")]), tmp_path / name / "00000.parquet")
    (tmp_path / "run.json").write_text("{}")
    assert texts(str(tmp_path)) == [("kept", "x")]


def test_a_folder_without_data_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no data file in this folder"):
        read(str(tmp_path))


def test_standard_input_is_copied_and_read(tmp_path):
    code = (
        "import sys; from pathlib import Path; from datagen.formats.read import read\n"
        "print([r['output'] for r in read('-', stdin_copy=Path(sys.argv[1]))])"
    )
    copy = tmp_path / "copy"
    done = subprocess.run(
        [sys.executable, "-c", code, str(copy)],
        input=gzip.compress(LINES, mtime=0),
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "utf-8"},
    )
    assert done.stdout.decode().strip() == "['4', '零']"
    assert gzip.decompress(copy.read_bytes()) == LINES


def test_standard_input_without_a_copy_is_an_error():
    with pytest.raises(DataError, match="standard input cannot be read here"):
        read("-")


BESIDE = dict.fromkeys(
    (
        *(".hidden/x.json", "LICENSE.json", "authors.json", "data/checksums.json", "data/README.jsonl", "dataset_infos.json"),
        *("cache-0f.arrow", "run/.datagen/state.json", "run/kept/00000.jsonl"),
    ),
    b'{"instruction": "no", "output": "no"}',
)


class Hub(BaseHTTPRequestHandler):
    """A hub with one dataset of one file of data, as far as the client asks."""

    FILES = {"data/train.jsonl": LINES, "README.md": b"# A card", **BESIDE}  # noqa: RUF012

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, *, body):
        path = self.path.split("?")[0]
        content, status = b"{}", 404
        for name, held in self.FILES.items():
            if path == f"/datasets/ada/sums/resolve/main/{name}" or path.endswith(f"/resolve/{'a' * 40}/{name}"):
                content, status = held, 200
        if path.startswith("/api/datasets/ada/sums/tree/"):
            tree = [{"type": "file", "path": n, "size": len(c), "oid": "b" * 40} for n, c in self.FILES.items()]
            content, status = json.dumps(tree).encode(), 200
        elif path.startswith("/api/datasets/ada/sums"):
            found = {"id": "ada/sums", "sha": "a" * 40, "siblings": [{"rfilename": n} for n in self.FILES]}
            content, status = json.dumps(found).encode(), 200
        self.send_response(status)
        for name, value in (
            ("ETag", f'"{hashlib.sha256(content).hexdigest()}"'),
            ("X-Repo-Commit", "a" * 40),
            ("Content-Length", str(len(content))),
        ):
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_):
        pass


class HubOfSubsets(Hub):
    """A hub with a set of two subsets, each in two parts."""

    FILES = {  # noqa: RUF012
        **{f"{s}/{p}-00000.jsonl": json.dumps({"instruction": s, "output": f"{s} {p}"}).encode()
           for s in ("main", "socratic") for p in ("train", "test")},
        "README.md": b"---\nconfigs:\n- config_name: main\n  default: true\n  data_files:\n"
                     b"  - {split: train, path: main/train-*}\n  - {split: test, path: main/test-*}\n"
                     b"- config_name: socratic\n  data_dir: socratic\n---\n# Sums",
    }  # fmt: skip


@pytest.fixture
def hub(request):
    server = ThreadingHTTPServer(("127.0.0.1", 0), getattr(request, "param", Hub))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def from_hub(source, endpoint, cache):
    """Read in a process of its own: the client takes its settings from the environment when it is imported."""
    code = (
        "import sys; from datagen.errors import DataError; from datagen.formats.read import read\n"
        "try: print([r['output'] for r in read(sys.argv[1])])\n"
        "except DataError as error: print(error)"
    )
    env = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_HUB_DISABLE_XET": "1"}
    env |= {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "utf-8", "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run([sys.executable, "-c", code, source], capture_output=True, check=True, env=env, timeout=120)
    return done.stdout.decode().strip()


def test_a_folder_gives_the_files_that_the_hub_gives_of_the_same_set(tmp_path):
    for name, content in Hub.FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert texts(str(tmp_path)) == texts(str(tmp_path / "data")) == [("Add.", "4"), ("ลบ", "零")]
    assert texts(str(tmp_path / "authors.json")) == [("no", "no")], "what is named is read"


@pytest.mark.parametrize("source", ["hf://datasets/ada/sums", "hf://datasets/ada/sums/data/train.jsonl"])
def test_a_dataset_of_the_hub_is_downloaded_and_read(hub, tmp_path, source):
    pytest.importorskip("huggingface_hub")
    assert from_hub(source, hub, tmp_path) == "['4', '零']"


@pytest.mark.slow
@pytest.mark.parametrize("hub", [HubOfSubsets], indirect=True)
@pytest.mark.parametrize(("below", "found"), [("", "main train"), ("/socratic", "socratic train")])
def test_of_a_set_of_the_hub_one_subset_and_of_it_train_is_read(hub, tmp_path, below, found):
    pytest.importorskip("huggingface_hub")
    assert from_hub(f"hf://datasets/ada/sums{below}", hub, tmp_path) == f"['{found}']"


def test_a_dataset_that_the_hub_does_not_have_is_an_error_of_one_line(hub, tmp_path):
    pytest.importorskip("huggingface_hub")
    said = from_hub("hf://datasets/ada/none", hub, tmp_path)
    assert said.startswith("hf://datasets/ada/none: the hub did not give this dataset")
    assert "set HF_TOKEN" in said and "\n" not in said


@pytest.mark.parametrize("source", ["hf://ada/sums", "hf://datasets/ada", "hf://models/ada/sums"])
def test_a_hub_address_that_cannot_be_one_says_what_is_expected(source):
    with pytest.raises(DataError, match="expected hf://datasets/OWNER/NAME"):
        read(source)
