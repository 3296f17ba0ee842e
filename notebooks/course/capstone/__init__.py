"""The capstone: a judge that replays load and faults against a service, whatever its form.

mine = working_copy()
await judge(mine)
hint("streaming answer")
"""

from course.capstone.help import hint, solution
from course.capstone.judge import judge
from course.capstone.working_copy import working_copy

__all__ = ["hint", "judge", "solution", "working_copy"]
