"""Token lists as Arrow columns: made batch by batch by `tokenised`, joined for all rows at once."""

from __future__ import annotations

from collections.abc import Iterable

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
