"""The upload: one commit that a reader of the repository sees whole or not at all."""

from __future__ import annotations

from typing import Any

from datagen.errors import ModelError, UsageError
from datagen.hub.staging import CARD, Staged

SAID = 300  # characters of what the hub answers


def push(what: Staged, repo: str, *, private: bool = False, endpoint: str | None = None, message: str = "") -> str:
    """Upload staged files with their card in one commit; return the address of the commit.

    The repository is made where there is none. Rows of an earlier push that are no longer among the files are deleted in the
    same commit, so that two versions never stand there mixed.

    Args:
        what: what goes.
        repo: owner/name.
        private: of a repository that is made now.
        endpoint: of the hub; None = HF_ENDPOINT, else huggingface.co.
        message: of the commit.

    Raises:
        UsageError: nobody is logged in.
        ModelError: the hub refuses, or cannot be reached.
    """
    import httpx2
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
    from huggingface_hub.errors import HfHubHTTPError

    if get_token() is None:
        raise UsageError("nobody is logged in at the hub: run `hf auth login`, or set HF_TOKEN to a token that may write")
    api = HfApi(endpoint=endpoint)
    kind = "dataset" if what.what == "dataset" else "model"
    try:
        api.create_repo(repo, repo_type=kind, private=private, exist_ok=True)
        there = api.list_repo_files(repo, repo_type=kind)
        old = [n for n in there if n.partition("/")[0] in what.replaces and n not in what.files and n.endswith(".parquet")]
        operations: list[Any] = [CommitOperationAdd(name, path) for name, path in what.files.items()]
        operations += [CommitOperationAdd(CARD, what.card.encode()), *(CommitOperationDelete(name) for name in old)]
        done = api.create_commit(repo, operations, commit_message=message or "datagen push", repo_type=kind)
    except HfHubHTTPError as e:
        told = " ".join((e.server_message or str(e)).split())[:SAID]
        raise ModelError(f"the hub refuses {repo}: {told}; may your token write there?") from None
    except (httpx2.HTTPError, OSError) as e:
        raise ModelError(f"the hub cannot be reached: {type(e).__name__}: {' '.join(str(e).split())[:SAID]}") from None
    except (KeyError, ValueError) as e:  # of its own messages
        raise ModelError(f"{api.endpoint} answers otherwise than a hub does ({type(e).__name__}): check --endpoint") from None
    return str(done.commit_url)
