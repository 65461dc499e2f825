"""`python -m datagen`."""

import sys


def _leave_current_folder(path: list[str]) -> None:
    """Take the current folder, which `-m` puts first, off the import path: a file there would hide a module of its name.

    Where datagen itself lies there and nowhere else, the folder goes to the end.
    """
    package = sys.modules["datagen"].__path__[0]
    here = path.pop(0)
    if here not in path and package in (f"{here}/datagen", f"{here}\\datagen"):
        path.append(here)


if not sys.flags.safe_path:
    _leave_current_folder(sys.path)

from datagen.cli import main  # noqa: E402 - what it imports must not be found in the current folder

main()
