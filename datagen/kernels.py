"""Kernels: loops over flat arrays that are compiled where a call is worth it, and run as they stand where it is small.

Compiling takes longer than all that a few hundred rows need (20 s for a chain, where nothing is cached), and so does loading
numba. So a kernel runs without a compiler, as plain Python over numpy or in another way that gives the same, while no call
is about to take `LARGE` that way, the small calls of all kernels have not taken `PATIENCE`, and those of one were not `MANY`.
Then it is compiled, or loaded from numba's cache: at once for a call that is large, and beside the work for small calls that
have added up. What a call gives does not depend on its way: tests compare the two.
"""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, Generic, Literal, ParamSpec, Protocol, TypeVar, cast

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")

LARGE = 1.5e5  # µs, about, that a call may take without a compiler; see `work`. It is reached at about 1,500 rows
LARGE_ONCE_LOADED = 4e3  # the same once numba is loaded: something was large, and the rest of it need not wait
PATIENCE = 1e7  # µs of processor time, measured, that the calls of all kernels may take before numba is loaded for them
MANY = 1000  # calls of a kernel: it is in a loop that goes on, and does not wait for the patience of all
ADDED_UP = 1e5  # the same of the calls of one kernel, once numba is loaded
Way = Literal["by_size", "plain", "compiled"]
_way: Way = "by_size"
_waited = 0.0  # µs of processor time, of the calls of all kernels without a compiler


class Kernel(Generic[P, R]):
    """A function over arrays that may be compiled; in both ways it calls other kernels in that way too."""

    def __init__(self, function: Callable[P, R], plain: Callable[P, R] | None, work: Callable[..., float] | None) -> None:
        """Take the function; see `kernel`. Nothing is compiled."""
        self._function, self._other, self._work = cast(FunctionType, function), plain, work
        self.__name__, self.__doc__ = self._function.__name__, self._function.__doc__
        self._waited, self._calls = 0.0, 0  # µs of processor time, of its calls without a compiler
        self._asked, self._ready = False, False  # whether it is to be compiled, and is
        self._plain: Callable[P, R] | None = None
        self._compiled: Callable[P, R] | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Return what the function gives."""
        work = self._work(*args, **kwargs) if self._work else 0.5 * _elements(args)
        with np.errstate(over="ignore"):  # in Python, a scalar that wraps around is a warning
            if self.is_worth(work):
                return self._at_once(args, kwargs)
            began = time.thread_time_ns()
            try:
                return self.plain(*args, **kwargs)
            finally:
                self._count((time.thread_time_ns() - began) / 1000)
                if self._has_added_up() and not kwargs:
                    self._prepare(args)

    def is_worth(self, work: float) -> bool:
        """Whether a call that takes about `work` µs without a compiler is for the compiled function."""
        if _way != "by_size":
            return _way == "compiled"
        return self._ready or work >= LARGE or (work >= LARGE_ONCE_LOADED and _is_loaded())

    def _count(self, took: float) -> None:
        """Count the µs of a call without a compiler."""
        global _waited
        self._waited += took
        self._calls += 1
        _waited += took

    def _at_once(self, args: Any, kwargs: Any) -> R:
        found = self.compiled(*args, **kwargs)
        self._ready = True
        return found

    def _has_added_up(self) -> bool:
        """Whether its small calls have taken so much, or will, that it is worth to compile it for those that follow."""
        if self._asked or _way != "by_size" or self._waited < ADDED_UP:
            return False
        return self._calls >= MANY or _waited >= PATIENCE or _is_loaded()

    def _prepare(self, args: tuple[Any, ...]) -> None:
        """Compile it, for calls like this one, beside what goes on: an event loop that stood still would lose its answers."""
        self._asked = True

        def prepared() -> None:
            with suppress(Exception):  # then it goes on as it is
                from numba import typeof

                cast(Any, self.compiled).compile(tuple(map(typeof, args)))
                self._ready = True

        _later(prepared)

    @property
    def plain(self) -> Callable[P, R]:
        """The way without a compiler: Python all through, so that a kernel inside costs no more than a function."""
        if self._plain is None:
            self._plain = self._other or _calling(self._function, lambda other: other.plain)
        return self._plain

    @property
    def compiled(self) -> Callable[P, R]:
        """The function as numba compiles it for the types that it is called with, or finds it in its cache."""
        if self._compiled is None:
            from numba import njit
            from numba.core.caching import FunctionCache

            stamp = sources(reached(self._function))

            class Cache(FunctionCache):  # type: ignore[misc]  # numba has no types
                """A cache that may fail: where its disk is full, what was compiled serves this process.

                Its key has the code of all kernels that this one calls: numba's has only that of the kernel's own file.
                """

                def _index_key(self, sig: Any, codegen: Any) -> Any:
                    return (*super()._index_key(sig, codegen), stamp)

                def save_overload(self, sig: Any, data: Any) -> None:
                    with suppress(OSError):
                        super().save_overload(sig, data)

            # Without the lock of Python, for it touches nothing of Python: what shows how far a run is goes on beside it.
            self._compiled = cast(Callable[P, R], njit(nogil=True)(_calling(self._function, lambda other: other.compiled)))
            with suppress(RuntimeError, OSError):  # no folder for a cache can be written
                self._compiled._cache = Cache(self._compiled.py_func)  # type: ignore[attr-defined]  # as cache=True does
        return self._compiled


class _Making(Protocol):
    def __call__(self, function: Callable[P, R], /) -> Kernel[P, R]: ...


def kernel(plain: Callable[..., Any] | None = None, work: Callable[..., float] | None = None) -> _Making:
    """Make a kernel of a function.

    Args:
        plain: gives the same, faster than the function's own code does without a compiler.
        work: of the same arguments, about how many µs that takes; by default half a one for each element of the arrays.
    """

    def making(function: Callable[P, R], /) -> Kernel[P, R]:
        return Kernel(function, plain, work)

    return making


def _is_loaded() -> bool:
    """Whether numba is there: loaded, and not just being loaded."""
    numba = sys.modules.get("numba")
    return numba is not None and not getattr(numba.__spec__, "_initializing", False)


_line: deque[Callable[[], None]] = deque()
_lock = threading.Lock()
_worker: threading.Thread | None = None


def _later(work: Callable[[], None]) -> None:
    """Do it in a thread of its own, one after the other; what has not begun when the program ends is left."""
    global _worker
    with _lock:
        _line.append(work)
        if _worker is None:
            _worker = threading.Thread(target=_work_off, name="datagen-kernels")
            _worker.start()


def _work_off() -> None:
    global _worker
    while True:
        with _lock:
            if not _line or not threading.main_thread().is_alive():
                _worker = None
                return
            work = _line.popleft()
        work()


@contextmanager
def only(way: Way) -> Iterator[None]:
    """Let every kernel go one way, whatever its size: for tests and benchmarks, which compare them."""
    global _way
    before, _way = _way, way
    try:
        yield
    finally:
        _way = before


def _calling(function: FunctionType, of: Callable[[Kernel[..., Any]], Any]) -> Any:
    """Return a function whose globals hold, in place of each kernel, what is made of it."""
    used = function.__code__.co_names
    names = {n: of(value) for n, value in function.__globals__.items() if isinstance(value, Kernel) and n in used}
    made = FunctionType(function.__code__, {**function.__globals__, **names}, function.__name__, function.__defaults__)
    made.__doc__, made.__annotations__ = function.__doc__, function.__annotations__
    return made


def reached(function: FunctionType) -> set[str]:
    """Return the names of a kernel's module and of all modules of kernels and constants that it reaches."""
    found, left = set[str](), [function.__module__]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            values = vars(sys.modules[name]).values()
            others = [v._function.__module__ for v in values if isinstance(v, Kernel)]
            others += [v.__name__ for v in values if isinstance(v, ModuleType)]
            left += [other for other in others if other.startswith(f"{__package__}.")]
    return found


def sources(modules: set[str]) -> str:
    """Return the digest of what stands in the files of modules."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(modules):
        file = sys.modules[name].__file__
        digest.update(f"{name}\0".encode() + (Path(file).read_bytes() if file else b"") + b"\0")
    return digest.hexdigest()


def _elements(args: tuple[Any, ...]) -> float:
    """How many elements the arrays among arguments, and in tuples of them, have."""
    return float(sum(a.size if isinstance(a, np.ndarray) else _elements(a) if isinstance(a, tuple) else 0 for a in args))
