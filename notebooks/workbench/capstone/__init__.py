"""The capstone: a judge that replays load and faults against a service, whatever its form.

mine = working_copy()
await judge(mine)
hint("streaming answer")
"""

from workbench.capstone.help import hint, solution
from workbench.capstone.judge import judge
from workbench.capstone.working_copy import working_copy

__all__ = ["hint", "judge", "solution", "working_copy"]
