"""The capstone: a judge that replays load and faults against a service, whatever its form.

mine = working_copy()
await judge(mine)

`course.hint("streaming answer")` and `course.solution("capstone")` help with it.
"""

from course.capstone.judging import judge
from course.capstone.working_copy import working_copy

__all__ = ["judge", "working_copy"]
