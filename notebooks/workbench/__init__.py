"""What lessons import besides httpx and the server: tools that know no lesson.

Lessons import from here, `from workbench import record`; where a tool lives below is nobody's
business but the workbench's.

Importing it has one side effect. The course talks only to 127.0.0.1, and httpx would send even
that through a proxy named in the environment (`trust_env=True` is its default), so the proxy
settings of this process are switched off with NO_PROXY.
"""

import os

# Both spellings: urllib, whose rules httpx follows, lets the lower-case one win.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"

from workbench.distribution import ecdf_plot, quantile
from workbench.environment import check_environment
from workbench.explorer import Explorer, Slider
from workbench.loop import tick_plot, ticking
from workbench.message import Code, Message
from workbench.pool import watch_pool
from workbench.predictions import predict
from workbench.protocols import protocol_table
from workbench.service import serve
from workbench.side_by_side import side_by_side
from workbench.sweep import sweep_plot
from workbench.timings import time_in_turn
from workbench.trials import Tally, compare, run_trials
from workbench.waterfall.recording import record
from workbench.waterfall.sequence import sequence_plot

__all__ = [
    "Code",
    "Explorer",
    "Message",
    "Slider",
    "Tally",
    "check_environment",
    "compare",
    "ecdf_plot",
    "predict",
    "protocol_table",
    "quantile",
    "record",
    "run_trials",
    "sequence_plot",
    "serve",
    "side_by_side",
    "sweep_plot",
    "tick_plot",
    "ticking",
    "time_in_turn",
    "watch_pool",
]
