"""What the course says: the article's claims and their verdicts, the exercises, the capstone,
the field guide.

Lessons import from here: `from course import check, hint, solution, verdict`.
"""

import workbench  # noqa: F401  # first of all: it keeps this process away from proxies
from course.asking import hint, solution
from course.broken import write_broken_forms
from course.claims import claims, verdict
from course.exercises import check, open_solutions
from course.guide import FieldGuide, diagnose
from course.progress_page import forget_progress, progress
from course.verdict_page import verdict_page

__all__ = [
    "FieldGuide",
    "check",
    "claims",
    "diagnose",
    "forget_progress",
    "hint",
    "open_solutions",
    "progress",
    "solution",
    "verdict",
    "verdict_page",
    "write_broken_forms",
]
