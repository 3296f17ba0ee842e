"""Has every process import httpx2 where it says httpx, and httpcore2 where it says httpcore.

Python runs it at its start where PYTHONPATH names this folder, as `tests/aliased_lessons.py` has
it do: in a notebook's kernel, and in what that kernel starts. The alias is httpx2's own, and comes
with the first import of one of the names, so that a process without one does not pay for it.
"""

import sys

NAMES = {"httpx", "httpcore"}


class AtFirstImport:
    """Finds nothing itself; at the first import of one of the names it hands over to httpx2."""

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in NAMES:
            return None
        sys.meta_path.remove(self)
        import httpx2

        httpx2.alias_httpx()
        found = (finder.find_spec(name, path, target) for finder in sys.meta_path)
        return next(spec for spec in found if spec)


sys.meta_path.insert(0, AtFirstImport())
