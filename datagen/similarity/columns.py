"""Token lists as Arrow columns: made batch by batch by `tokenised`, joined for all rows at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa

from datagen.similarity.token_lists import TokenLists, from_chunks

TOKENS = pa.list_(pa.dictionary(pa.int32(), pa.string()))


def token_lists(column: pa.ChunkedArray) -> TokenLists:
    """Return the token lists of a whole column, ids numbered by rarity over all rows."""

    def chunks() -> Iterable[tuple[list[str], np.ndarray, np.ndarray]]:
        for chunk in column.chunks:
            offsets = chunk.offsets.to_numpy().astype(np.int64)
            tokens = chunk.values.slice(offsets[0], offsets[-1] - offsets[0])
            yield tokens.dictionary.to_pylist(), tokens.indices.to_numpy(), offsets - offsets[0]

    return from_chunks(chunks())


def without(column: pa.ChunkedArray, unwanted: Callable[[str], bool]) -> pa.ChunkedArray:
    """Return the token lists of a whole column without the tokens that are not wanted."""
    chunks = []
    for chunk in column.chunks:
        offsets = chunk.offsets.to_numpy().astype(np.int64)
        tokens = chunk.values.slice(offsets[0], offsets[-1] - offsets[0])
        wanted = ~np.array(list(map(unwanted, tokens.dictionary.to_pylist())), bool)
        stay = wanted[tokens.indices.to_numpy()]
        ends = np.concatenate([[0], np.cumsum(stay)])[offsets - offsets[0]].astype(np.int32)
        chunks.append(pa.ListArray.from_arrays(pa.array(ends), tokens.filter(pa.array(stay))))
    return pa.chunked_array(chunks, type=column.type)
