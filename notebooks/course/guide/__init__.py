"""The field guide of lesson 12: from what stands in a log to the cause.

`rows` says what a row is, `faces` has the words of all of them, `reading` reads an error or a log,
`diagnosis` finds the rows, `page` is the guide as the lesson shows it. Nothing here makes a
request.
"""

from course.guide.diagnosis import Diagnosis, diagnose
from course.guide.page import FieldGuide

__all__ = ["Diagnosis", "FieldGuide", "diagnose"]
