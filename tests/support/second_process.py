"""The second of two processes that train together, run after run, as the first one says."""

import contextlib
import os
import sys

from datagen.child import end_with_parent
from datagen.errors import DatagenError, Stopped
from datagen.training.loop import train
from datagen.training.parallel import arranged, joined

end_with_parent(int(sys.argv[1]))
os.environ |= {"RANK": "1", "WORLD_SIZE": "2"}
with joined(1, 2) as world:
    while (told := world.told(None)) is not None:
        rows, options, out, eval_rows = told
        with contextlib.suppress(DatagenError, Stopped):  # the first one has it, too
            train(rows, options, out, eval_rows, world=arranged(world, options))
