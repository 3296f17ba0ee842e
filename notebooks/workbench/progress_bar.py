"""The bar that a run of many calls shows when it lasts: used by `trials` and `timings`."""

import os

from tqdm.auto import tqdm


def progress_bar(total: int, unit: str) -> tqdm:
    """Return a progress bar that appears when a run has lasted over a second.

    WORKBENCH_PROGRESS=0 in the environment switches it off: it is drawn by the clock, and stored
    outputs are compared.
    """
    off = os.environ.get("WORKBENCH_PROGRESS") == "0"
    return tqdm(total=total, unit=unit, delay=1, leave=False, disable=off)
