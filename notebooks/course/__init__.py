"""What the course says: the article's claims and their verdicts, the exercises, the capstone.

Lessons import from here: `from course import check, hint, solution, verdict`.
"""

import workbench  # noqa: F401  # first of all: it keeps this process away from proxies
from course.claims import claims, verdict
from course.exercises import check, hint, open_solutions, solution
from course.verdicts import verdicts

__all__ = ["check", "claims", "hint", "open_solutions", "solution", "verdict", "verdicts"]
