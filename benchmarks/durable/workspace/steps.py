"""The six steps, which do the same as those of the other systems."""

import os
from pathlib import Path

from durable.work import STEPS, step


def _custom(name):
    async def custom(state, runtime):
        return step(name, Path(os.environ["DURABLE_FOLDER"]), runtime.thread)

    return custom


capture, verify, score, file, notify, close = (_custom(name) for name in STEPS)
