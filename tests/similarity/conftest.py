"""Here kernels are compiled, as for large inputs; `test_kernels` shows that without a compiler they give the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from datagen.kernels import only


@pytest.fixture(scope="module", autouse=True)
def compiled() -> Iterator[None]:
    """Compile every kernel, whatever its input."""
    with only("compiled"):
        yield
