"""Has a process import httpx2 where it says httpx, and httpcore2 where it says httpcore.

Python runs it at its start where PYTHONPATH names this folder, as `tests/aliased_lessons.py` has
it do: in a notebook's kernel, and in what that kernel starts. The alias is httpx2's own.
"""

import httpx2

httpx2.alias_httpx()
