"""What lessons import besides httpx and the server: tools that know no lesson.

Lessons import from here, `from workbench import record`; where a tool lives below is nobody's
business but the workbench's. A tool's module is imported when the tool is asked for (PEP 562), so
that a process which needs one of them, such as the one that runs a check, is not made to import
matplotlib and the widgets.

Importing it has one side effect. The course talks only to 127.0.0.1, and httpx would send even
that through a proxy named in the environment (`trust_env=True` is its default), so the proxy
settings of this process are switched off with NO_PROXY.
"""

import importlib
import os
from typing import Any

# Both spellings: urllib, whose rules httpx follows, lets the lower-case one win.
os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"

# Where each tool lives. No module may be called as a tool of this list is: Python would put the
# module in the tool's place.
_HOMES = {
    "Code": "message",
    "Explorer": "explorer",
    "Message": "message",
    "Moment": "moments",
    "Slider": "explorer",
    "Table": "table",
    "Tally": "tally",
    "check_environment": "environment",
    "compare": "tally",
    "ecdf_plot": "distribution",
    "get_as_server_closes": "moments",
    "held_connection": "moments",
    "no_descriptor_left": "descriptors",
    "predict": "predictions",
    "protocol_table": "protocols",
    "quantile": "distribution",
    "record": "waterfall.recording",
    "run_trials": "trials",
    "sequence_plot": "waterfall.sequence",
    "serve": "serving",
    "side_by_side": "trials",
    "sweep_plot": "sweep",
    "tick_plot": "loop",
    "ticking": "loop",
    "time_in_turn": "timings",
    "watch_pool": "pool",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    tool = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = tool  # found without this function from now on
    return tool


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
