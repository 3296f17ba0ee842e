"""What lessons import besides httpx: trials, waterfalls, predictions, exercises, verdicts.

Importing it has one side effect. The course talks only to 127.0.0.1, and httpx would send even
that through a proxy named in the environment (`trust_env=True` is its default), so the proxy
settings of this process are switched off with NO_PROXY.
"""

import os

# Both spellings: urllib, whose rules httpx follows, lets the lower-case one win.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"

from workbench.claims import claims, verdict
from workbench.environment import check_environment
from workbench.exercises import check, hint, open_solutions, solution
from workbench.predictions import predict
from workbench.trials import compare, run_trials
from workbench.waterfall import record

__all__ = [
    "check",
    "check_environment",
    "claims",
    "compare",
    "hint",
    "open_solutions",
    "predict",
    "record",
    "run_trials",
    "solution",
    "verdict",
]
