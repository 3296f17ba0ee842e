"""The tool that stores notebooks: a second run changes nothing, nbval accepts what it stored."""

import subprocess
import sys

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from store import BLANK, HIDDEN, SANITIZING, WIDGET, same, store

from workbench.predictions import Prediction

PICTURE = """
from matplotlib.figure import Figure

class Picture:
    def _repr_mimebundle_(self, include=None, exclude=None):
        import io, time
        figure, image = Figure(), io.BytesIO()
        figure.subplots().set_title(str(time.perf_counter_ns()))
        figure.savefig(image, format="png")
        return {"image/png": image.getvalue(), "text/plain": "A plot with a title."}

Picture()
"""
CELLS = {
    "stream": "print('one')\nprint('two', flush=True)\nprint('three')",
    "widget": "import ipywidgets\nipywidgets.IntSlider(description='pieces')",
    "picture": PICTURE,
    "port": "import random\nf'http://127.0.0.1:{random.randint(1024, 65535)}/'",
    "duration": "import time\nprint(f'took {time.perf_counter():.3f} ms')",
    "both": "print('before')\ndisplay('shown')\nprint('after')",
    "question": "from workbench import predict\nguess = predict('Who?', ['we', 'they'])",
    "answer": "guess.compare({'we': False, 'they': True})",
    "nothing": "x = 1",
    "race": "import random\nrandom.random()",
    "error": "import json\njson.loads('{')",
}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A notebook with an output of each kind, run and stored once; its bytes."""
    cells = [new_markdown_cell("# Kinds of output")]
    cells += [new_code_cell(source) for source in CELLS.values()]
    cells[-1].metadata.tags = ["raises-exception"]
    cells[-2].metadata.tags = ["nbval-ignore-output"]
    cells[0].metadata.collapsed = True
    path = tmp_path_factory.mktemp("stored") / "kinds.ipynb"
    nbformat.write(new_notebook(cells=cells), path)
    assert store(path)
    return path.read_bytes()


@pytest.fixture
def notebook(stored, tmp_path):
    path = tmp_path / "kinds.ipynb"
    path.write_bytes(stored)
    return path


def stored_cells(path):
    cells = nbformat.read(path, as_version=4).cells
    return dict(zip(CELLS, [cell for cell in cells if cell.cell_type == "code"], strict=True))


def edit(path, source):
    """Give the first code cell another source."""
    edited = nbformat.read(path, as_version=4)
    edited.cells[1].source = source
    nbformat.write(edited, path)


def test_a_second_run_changes_no_byte(notebook, stored):
    assert not store(notebook)
    assert notebook.read_bytes() == stored


def test_an_edit_changes_its_own_cell_alone(notebook):
    before = stored_cells(notebook)
    edit(notebook, "print('four')")
    assert store(notebook)
    after = stored_cells(notebook)
    assert after.pop("stream").outputs[1].text == "four\n"
    del before["stream"]
    assert after == before


def test_fresh_stores_the_new_picture(notebook):
    before = stored_cells(notebook)
    assert store(notebook, fresh=True)
    assert stored_cells(notebook)["picture"] != before["picture"]


def test_stored_outputs_hold_nothing_volatile(notebook):
    text = notebook.read_text(encoding="utf-8")
    for volatile in (WIDGET, "iopub", "site-packages", sys.prefix, '"version"', "collapsed"):
        assert volatile not in text
    cells = stored_cells(notebook)
    assert [cell.execution_count for cell in cells.values()] == list(range(1, len(CELLS) + 1))
    assert [output.text for output in cells["stream"].outputs[1:]] == ["one\ntwo\nthree\n"]
    kinds = [output.output_type for output in cells["both"].outputs[1:]]
    assert kinds == ["stream", "display_data", "stream"]
    assert "json/__init__.py" in "".join(cells["error"].outputs[1].traceback).replace("\\", "/")


def test_answers_are_hidden_until_the_cell_is_run_and_questions_are_not(notebook):
    cells = stored_cells(notebook)
    hidden = {name for name, cell in cells.items() if cell.metadata.get("jupyter") == HIDDEN}
    assert hidden == set(CELLS) - {"question", "nothing"}
    assert all(cells[name].outputs[0] == BLANK for name in hidden)


def test_another_outcome_of_a_prediction_is_not_the_same_output():
    def says(outcome):
        guess = Prediction("Who?", ["we", "they"])
        held = {choice: choice == outcome for choice in guess.choices}
        text = repr(guess.compare(held))
        return [new_output("execute_result", {"text/plain": text}, execution_count=1)]

    assert same(says("they"), says("they"))
    assert not same(says("they"), says("we"))


def test_strict_nbval_accepts_what_was_stored(notebook):
    nbval = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--nbval"]
    done = subprocess.run(
        [*nbval, "--nbval-current-env", f"--nbval-sanitize-with={SANITIZING}", notebook.name],
        cwd=notebook.parent, capture_output=True, encoding="utf-8",
    )  # fmt: skip
    assert f"{len(CELLS)} passed" in done.stdout, done.stdout


def test_a_failing_cell_leaves_the_file_as_it_was(notebook):
    edit(notebook, "1 / 0")
    before = notebook.read_bytes()
    with pytest.raises(CellExecutionError, match="ZeroDivisionError"):
        store(notebook)
    assert notebook.read_bytes() == before
