"""Run notebooks and store their outputs, with nothing in them that changes from run to run.

    python tests/store.py                                   # every notebook, deeper/ as well
    python tests/store.py notebooks/02-context-managers.ipynb
    python tests/store.py --fresh                           # store every output anew

Each notebook runs from top to bottom in a new kernel of this environment, with its own folder as
the working directory. A cell whose source and outputs are what nbval would accept keeps the
outputs that are stored, so a second run changes nothing in git. nbval compares neither pictures nor
the outputs of cells tagged nbval-ignore-output: after a change to one of those, use --fresh.

Stored outputs are hidden from whoever opens a notebook in JupyterLab, since they answer what it
asks: JupyterLab shows "..." in their place until the cell is run.
"""

import argparse
import copy
import os
import sysconfig
from pathlib import Path
from types import MethodType, SimpleNamespace

import nbformat
from lesson import deeper, main_paths
from nbclient import NotebookClient
from nbformat.v4 import new_output
from nbval.plugin import IPyNbCell, coalesce_streams, get_sanitize_patterns, nocolors

ROOT = Path(__file__).resolve().parent.parent
SANITIZING = ROOT / "tests" / "nbval_sanitize.cfg"
CELL_TIMEOUT = 60  # seconds, as for nbval in pyproject.toml
WIDGET = "application/vnd.jupyter.widget-view+json"  # names a model by a random id
NAMED = "text/markdown"  # a picture's PNG once more, with a name for a screen reader
NOT_COMPARED = (
    # As in nbval's IPyNbFile: what may differ between a stored and a new output.
    *("metadata", "traceback", "prompt_number", "output_type", "name", "execution_count"),
    *(WIDGET, "image/png", "image/jpeg", NAMED),
)
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
HIDDEN = {"outputs_hidden": True}  # in nbformat's cell metadata "jupyter"
# In place of hidden outputs JupyterLab 4.6 shows the first line of the first of them
# (getOutputPlaceholderText of its CodeCell), often the answer itself. This one has no line; nbval,
# which compares what outputs hold, does not see it.
BLANK = new_output("display_data", data={})
KEPT_METADATA = {"tags", "reason"}
CELL_METADATA = {*KEPT_METADATA, "jupyter"}


def store(path, fresh=False):
    """Run the notebook at path and write it back with its outputs.

    Returns whether the file changed. Raises nbclient's CellExecutionError when a cell fails that
    is not tagged raises-exception, CellTimeoutError when one takes longer than 60 s; the file
    then stays as it was.
    """
    path = Path(path)
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=4)
    stored = copy.deepcopy(notebook.cells)
    run(notebook, path.resolve().parent)
    for cell, old in zip(notebook.cells, stored, strict=True):
        cell.metadata = {key: cell.metadata[key] for key in KEPT_METADATA & set(cell.metadata)}
        if cell.cell_type == "code":
            cell.outputs = lasting(cell.outputs)
            if not fresh and old.outputs and (ignored(cell) or same(cell.outputs, old.outputs)):
                cell.outputs = lasting(old.outputs)
            for output in cell.outputs:
                if output.output_type == "execute_result":
                    output.execution_count = cell.execution_count
            hide(cell)
    notebook.metadata = nbformat.from_dict(METADATA)
    after = nbformat.writes(notebook) + "\n"
    if after != before:
        path.write_text(after, encoding="utf-8", newline="\n")
    return after != before


def run(notebook, folder):
    """Execute every cell of the notebook in place, in a new kernel that starts in that folder."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    # A progress bar is drawn by the clock, what was done before depends on who runs it, and
    # everything here stays on loopback.
    quiet = {"WORKBENCH_PROGRESS": "0", "HTTPX_COURSE_DATA": ""}
    environment = {**os.environ, **quiet, "NO_PROXY": "*", "no_proxy": "*"}
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=environment)


def lasting(outputs):
    """The outputs without what another run or another machine would write differently."""
    kept = []
    for output in copy.deepcopy(outputs):
        previous = kept[-1] if kept else None
        if output.output_type == "stream":
            if previous and previous.get("name") == output.name:
                previous.text += output.text  # the kernel sends a stream in pieces, as time falls
                continue
        elif output.output_type == "error":
            output.traceback = [without_machine_paths(line) for line in output.traceback]
        else:
            output.data.pop(WIDGET, None)
            output.data.pop(NAMED, None)
            if not output.data:
                continue
        kept.append(output)
    return kept


def hide(cell):
    """Hide the cell's outputs, unless they are the question of a prediction and nothing else."""
    if not all(is_question(output) for output in cell.outputs):
        cell.metadata["jupyter"] = dict(HIDDEN)
        cell.outputs.insert(0, copy.deepcopy(BLANK))


def is_question(output):
    """Whether the output is what `workbench.predict` shows."""
    return output.get("data", {}).get("text/plain", "").startswith("Predict: ")


def without_machine_paths(text):
    """The text with files named from their package on: httpx/_client.py, server/local.py."""
    folders = {ROOT, *map(Path, sysconfig.get_paths().values())}
    home = Path.home()
    # IPython writes ~ for the home folder.
    short = {Path("~", folder.relative_to(home)) for folder in folders if home in folder.parents}
    for folder in sorted(map(str, folders | short), key=len, reverse=True):
        text = text.replace(folder + os.sep, "")
    return text


def ignored(cell):
    """Whether the cell's output is one of the few that differ from run to run, and may."""
    return "nbval-ignore-output" in cell.metadata.get("tags", [])


def same(new, old):
    """Whether nbval, with this repository's sanitizing, takes the new outputs for the old ones."""
    patterns = get_sanitize_patterns(SANITIZING.read_text(encoding="utf-8"))
    cell = SimpleNamespace(
        parent=SimpleNamespace(skip_compare=NOT_COMPARED, sanitize_patterns=dict(patterns)),
        colors=nocolors,
        format_output_compare=lambda *mismatch: None,
    )
    cell.sanitize = MethodType(IPyNbCell.sanitize, cell)
    return IPyNbCell.compare_outputs(
        cell, coalesce_streams(copy.deepcopy(new)), coalesce_streams(copy.deepcopy(old))
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("notebook", nargs="*", type=Path, help="default: every notebook")
    parser.add_argument("--fresh", action="store_true", help="store every output anew")
    arguments = parser.parse_args()
    for path in arguments.notebook or [*main_paths(), *deeper()]:
        changed = store(path, arguments.fresh)
        print(f"{path.name}: {'stored' if changed else 'nothing changed'}", flush=True)


if __name__ == "__main__":
    main()
