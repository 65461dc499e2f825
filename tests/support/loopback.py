"""Whether a server of this machine answers."""

from __future__ import annotations

import urllib.request


def is_up(base_url: str) -> bool:
    """Ask the server behind an API for its health."""
    try:
        with urllib.request.urlopen(base_url.replace("/v1", "/health"), timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
