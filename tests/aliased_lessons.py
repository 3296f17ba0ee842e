"""Run the lessons on httpx2 in place of httpx, and say cell by cell which outputs differ.

    python tests/aliased_lessons.py                                     # every notebook
    python tests/aliased_lessons.py notebooks/05-the-pool-runs-dry.ipynb

Each notebook runs in a kernel where `import httpx` gives httpx2 and `import httpcore` httpcore2
(`aliased/sitecustomize.py`), and nbval compares each cell's output with the stored one, which is
httpx's. `aliased/differences.toml` holds the cells that are known to differ, each with its reason.
The run is red when one more differs, or one fewer.

This module is the pytest plugin that does it, and the command that starts pytest with it; further
arguments are pytest's.
"""

import os
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
from kernel_ports import use_own_ports
from nbval.plugin import IPyNbCell, NbCellError

ROOT = Path(__file__).resolve().parent.parent
HOOK = ROOT / "tests" / "aliased"
NOTEBOOKS = ROOT / "notebooks"


def differences():
    """What stands in differences.toml, by notebook, as its path below `notebooks/`.

    Either the cells that differ, {id: reason} or {id: {"sometimes": reason}}, or the reason why
    the notebook is not run at all. Raises ValueError for a notebook or a cell that is not there.
    """
    known = tomllib.loads((HOOK / "differences.toml").read_text(encoding="utf-8"))
    for name, cells in known.items():
        if not (NOTEBOOKS / name).is_file():
            raise ValueError(f"differences.toml: there is no notebook {name}")
        notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
        there = {cell.id for cell in notebook.cells if cell.cell_type == "code"}
        if isinstance(cells, dict) and set(cells) - there:
            raise ValueError(f"differences.toml: {name} has no code cell {set(cells) - there}")
    return known


def pytest_configure():
    use_own_ports()


def pytest_collection_modifyitems(config, items):
    """Keep the cells alone, and expect those to differ that are known to.

    The hook is for kernels, which inherit it from here on; pytest's own processes do without it.
    """
    os.environ["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(HOOK), os.environ.get("PYTHONPATH")])
    )
    known = differences()
    kept, others = [], []
    for item in items:
        cells = known.get(item.path.relative_to(NOTEBOOKS).as_posix(), {})
        if not isinstance(item, IPyNbCell) or isinstance(cells, str):
            others.append(item)
            continue
        kept.append(item)
        if reason := cells.get(item.cell.id):
            item.add_marker(expected(item.cell.id, reason))
    items[:] = kept
    config.hook.pytest_deselected(items=others)


def expected(cell_id, reason):
    """The mark of a cell that differs: red when it does not, unless it does so only sometimes."""
    sometimes = isinstance(reason, dict)
    said = reason["sometimes"] if sometimes else reason
    return pytest.mark.xfail(reason=f"{cell_id}: {said}", raises=NbCellError, strict=not sometimes)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Have the report of a cell that differs say the id that differences.toml would name."""
    report = yield
    if report.failed and isinstance(item, IPyNbCell):
        report.sections.append(("id of the cell", item.cell.id))
    return report


def main(arguments):
    """Run pytest with this plugin; returns its exit code."""
    os.chdir(ROOT)
    options = ["-p", Path(__file__).stem]  # xdist hands this and sys.path to its workers
    options += ["-q", "-rfExX"]  # names each cell that differs, and the reason
    options += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # nbval is imported above
    chosen = [] if any(Path(a).suffix == ".ipynb" for a in arguments) else ["notebooks"]
    return pytest.main([*options, *arguments, *chosen])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
