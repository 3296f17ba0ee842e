"""The capstone: a judge that replays load and faults against a service, whatever its form.

mine = working_copy()
how_to_open(mine)
await judge(mine)

`course.hint("streaming answer")` and `course.solution("capstone")` help with it.
"""

from course.capstone.judging import judge
from course.capstone.working_copy import how_to_open, working_copy

__all__ = ["how_to_open", "judge", "working_copy"]
