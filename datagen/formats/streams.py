"""Bytes in and out: compressed ones by their magic numbers, and files that only appear when they are whole."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from datagen.errors import DataError, UsageError, writing
from datagen.formats import encodings

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GZIP, ZSTD, PARQUET = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PAR1"
XZ = b"\xfd7zXZ\0"
BZIP2 = tuple(b"BZh%d" % level + block for level in range(1, 10) for block in (b"1AY&SY", b"\x17rE8P\x90"))
PACKED = (".gz", ".zst", ".bz2", ".xz")  # how the names of compressed files end; the first two are written, too
CHUNK = 1 << 18  # bytes read from disk at a time
# Bytes of Zstandard unpacked at a time: a block of 128 kB may stand in four of them, and its decompressor has no limit.
ZSTD_STEP = 1 << 10
XZ_MEMORY = 1 << 29  # bytes that unpacking may take; `xz -9` needs an eighth of it


class Unpacked(io.RawIOBase):
    """The decompressed bytes of a file in UTF-8, which end where the file breaks; `broken` then says how."""

    def __init__(self, path: Path, encoding: str = "") -> None:
        """Open a file, plain or compressed, of text in an encoding: "" is that of its mark, without one UTF-8.

        What is no character of another encoding comes as bytes that are not UTF-8 either.
        """
        self._file = path.open("rb")
        magic = self._file.read(len(BZIP2[0]))
        self._file.seek(0)
        if magic.startswith(GZIP):
            chunks = _decompressed(self._file, lambda: zlib.decompressobj(wbits=31), _gunzipped)
        elif magic.startswith(ZSTD):
            chunks = _decompressed(self._file, _unzstd(path), _unzstandard)
        elif magic.startswith((XZ, *BZIP2)):
            chunks = _decompressed(self._file, _unxz(path) if magic.startswith(XZ) else _unbzip2(path), _stepwise)
        else:
            chunks = iter(lambda: self._file.read(CHUNK), b"")
        self._chunks = encodings.in_utf8(chunks, encoding)
        self._rest = memoryview(b"")
        self.broken = ""

    def readable(self) -> bool:
        """Say that this is a stream to read."""
        return True

    def readinto(self, target: WriteableBuffer, /) -> int:
        """Fill the buffer with the next decompressed bytes; 0 at the end or where the file breaks."""
        while not self._rest:
            try:
                self._rest = memoryview(next(self._chunks))
            except StopIteration:
                return 0
            except Exception as error:  # noqa: BLE001 - EOFError, zlib.error, zstandard.ZstdError (not imported here), OSError
                self.broken = self.broken or f"the file breaks off: {error}"
                return 0
        view = memoryview(target).cast("B")
        count = min(len(view), len(self._rest))
        view[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def _unzstd(path: Path) -> Callable[[], _Zstandard]:
    try:
        import zstandard
    except ImportError as error:
        raise DataError(f"{path}: reading .zst needs zstandard: pip install zstandard") from error
    return lambda: _Zstandard(zstandard.ZstdDecompressor().decompressobj())


def _unbzip2(path: Path) -> Callable[[], Any]:
    try:
        import bz2
    except ImportError as error:  # a Python that was built without it
        raise DataError(f"{path}: this Python has no bz2; unpack the file first: bunzip2 -k FILE") from error
    return bz2.BZ2Decompressor


def _unxz(path: Path) -> Callable[[], Any]:
    try:
        import lzma
    except ImportError as error:
        raise DataError(f"{path}: this Python has no lzma; unpack the file first: unxz -k FILE") from error
    return lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY)


def _decompressed(file: IO[bytes], make: Callable[[], Any], unpack: Callable[[Any, bytes], Iterator[bytes]]) -> Iterator[bytes]:
    """Yield the bytes of one or more compressed members, never many at a time.

    Raises:
        EOFError: the last member is incomplete.
    """
    member = make()
    while data := file.read(CHUNK):
        while data:
            if member.eof:
                data = data.lstrip(b"\0")  # gzip and xz allow zero padding after a member
                if not data:
                    break
                member = make()
            yield from unpack(member, data)
            data = member.unused_data if member.eof else b""
    if not member.eof:
        raise EOFError("the compressed data is incomplete")


def _gunzipped(member: Any, data: bytes) -> Iterator[bytes]:
    """Yield what bytes of gzip unpack to; what is behind the member's end is in its `unused_data`."""
    while data and not member.eof:
        yield member.decompress(data, CHUNK)
        data = member.unconsumed_tail
    while not member.eof and (rest := member.decompress(b"", CHUNK)):
        yield rest


def _stepwise(member: Any, data: bytes) -> Iterator[bytes]:
    """Yield what bytes of bzip2 or xz unpack to."""
    yield member.decompress(data, CHUNK)
    while not member.eof and not member.needs_input:
        yield member.decompress(b"", CHUNK)


class _Zstandard:
    """One frame of Zstandard, fed by small steps."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.unused_data = b""

    @property
    def eof(self) -> bool:
        """Whether the frame is over."""
        return bool(self._frame.eof)

    def unpacked(self, data: bytes) -> Iterator[bytes]:
        """Yield what bytes unpack to."""
        for at in range(0, len(data), ZSTD_STEP):
            yield self._frame.decompress(data[at : at + ZSTD_STEP])
            if self._frame.eof:
                self.unused_data = self._frame.unused_data + data[at + ZSTD_STEP :]
                return


def _unzstandard(member: _Zstandard, data: bytes) -> Iterator[bytes]:
    return member.unpacked(data)


def head(path: Path, size: int, encoding: str = "") -> bytes:
    """Return up to `size` decompressed bytes, in UTF-8, from the start of a file."""
    with io.BufferedReader(Unpacked(path, encoding), CHUNK) as stream:
        return stream.read(size)


def encoding_hint(path: Path) -> str:
    """Return what is said of a file whose bytes are not UTF-8: what it may be, and how that is told."""
    return encodings.hint(head(path, 1 << 20, "latin-1").decode().encode("latin-1"))


@contextmanager
def whole_file(target: Path) -> Iterator[IO[bytes]]:
    """Yield a stream to a temporary file that becomes `target` on success and is removed on failure.

    The name decides the compression (.gz, .zst); no clock is written, so equal content gives equal bytes.
    """
    if target.is_dir():
        raise DataError(f"{target} is a folder; name a file")
    if target.suffix in PACKED[2:]:
        raise UsageError(f"{target}: {target.suffix} is read, not written; name the file {target.stem}.gz or {target.stem}.zst")
    if target.exists() and not target.is_file():  # it would be replaced: /dev/null by a file
        raise DataError(f"{target} is a device or a pipe, which a whole file cannot replace; name a file, or -o - for a pipe")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file, _compressed(file, target) as stream:
                yield stream
            temporary.replace(target)
    finally:
        with suppress(OSError):  # its folder may not be one
            temporary.unlink(missing_ok=True)


@contextmanager
def _compressed(file: IO[bytes], target: Path) -> Iterator[IO[bytes]]:
    if target.suffix == ".gz":
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
            yield packed  # type: ignore[misc]
    elif target.suffix == ".zst":
        try:
            import zstandard
        except ImportError as error:
            raise DataError(f"{target}: writing .zst needs zstandard: pip install zstandard") from error
        with zstandard.ZstdCompressor().stream_writer(file, closefd=False) as stream:
            yield stream
    else:
        yield file


def stem(path: Path) -> str:
    """Return the file name without the suffixes of its container and its compression."""
    unpacked = Path(path.name).stem if path.suffix in PACKED else path.name
    return Path(unpacked).stem
