"""Each check of a notebook's form, on a good one and on one made to break it."""

import nbformat
import pytest
from form import (
    CHECKS,
    IGNORED,
    LONG,
    RAISES,
    TOO_LONG,
    alternatives,
    cell_length,
    errors,
    executed,
    heading_order,
    hidden,
    links,
    markers,
    no_machine,
    no_stderr,
    nothing_volatile,
    own_ids,
    shape,
    stored_form,
)
from form_sitting import (
    MOST_CELLS,
    MOST_LINES,
    MOST_WORDS,
    SITTING,
    caps,
    imports,
    minutes,
    predictions,
    reached,
    server_stays,
)
from lesson import SECONDS_A_LINE, WORDS_A_MINUTE, Lesson
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from store import BLANK, HIDDEN, METADATA, WIDGET, hide

THIS, NEXT, DEEPER = "00-start-here.ipynb", "01-the-symptom.ipynb", "00-who-else.ipynb"
ASKS = 'guess = predict("Who closed it?", ["the client", "the server"])'
COMPARES = 'guess.compare({"the client": by == "client", "the server": by == "server"})'


def hidden_cell(source, number, output, **metadata):
    """A cell whose output a lesson hides until it is run."""
    return new_code_cell(
        source,
        execution_count=number,
        metadata={**metadata, "jupyter": HIDDEN},
        outputs=[BLANK, output],
    )


def result(number, text, **data):
    return new_output("execute_result", {"text/plain": text, **data}, execution_count=number)


def good():
    """A lesson that every check accepts."""
    notebook = new_notebook(metadata=METADATA)
    error = new_output("error", ename="ZeroDivisionError", evalue="", traceback=["1 / 0"])
    question = new_output("display_data", {"text/plain": "Predict: Who closed it?\n  ( ) I"})
    picture = {"image/png": "aGk="}
    notebook.cells = [
        new_markdown_cell(
            "# Who closed it?\n\nYou will be able to tell. You need Python. "
            "**Minutes:** 1 to read, 2 for the exercises."
        ),
        new_markdown_cell(
            "## Run it\n\n[Why](#Take-away), [the file](gateway.py), "
            "[more](deeper/00-who-else.ipynb)"
        ),
        hidden_cell(
            "picture", 1, result(1, "Three requests, one connection, no failure.", **picture)
        ),
        hidden_cell("1 / 0", 2, error, tags=[RAISES]),
        *(new_code_cell(f"x = {n}", execution_count=n) for n in range(3, 6)),
        new_code_cell(ASKS, execution_count=6, outputs=[question]),
        new_code_cell("by = ask()", execution_count=7),
        hidden_cell(COMPARES, 8, result(8, "No prediction made. The run says: the server.")),
        new_markdown_cell("## Take away\n\n## Go further\n\n[Next](01-the-symptom.ipynb)"),
    ]
    return notebook


@pytest.fixture
def first_lesson(tmp_path):
    """Write a notebook as 00 of a course that has lessons 00, 01 and one deeper, and read it."""
    (tmp_path / "notebooks" / "deeper").mkdir(parents=True)
    (tmp_path / "README.md").touch()
    (tmp_path / "notebooks" / "gateway.py").touch()
    for name in (THIS, NEXT, f"deeper/{DEEPER}"):
        nbformat.write(good(), tmp_path / "notebooks" / name)

    def write(notebook, name=THIS):
        path = tmp_path / "notebooks" / name
        # Without nbformat.writes, which would mend some of what is broken here.
        path.write_text(nbformat.v4.writes(notebook) + "\n", encoding="utf-8")
        return Lesson.read(path)

    return write


def set_source(number, source):
    return lambda notebook: notebook.cells[number].update(source=source)


def add_to_source(number, text):
    return lambda notebook: notebook.cells[number].update(
        source=notebook.cells[number].source + text
    )


def set_metadata(number, **metadata):
    return lambda notebook: notebook.cells[number].metadata.update(metadata)


def set_outputs(number, *outputs):
    """Give a cell other outputs, hidden as they should be."""

    def change(notebook):
        cell = notebook.cells[number]
        cell.outputs = list(outputs)
        cell.metadata.pop("jupyter", None)
        hide(cell)

    return change


def data(**kinds):
    return new_output(
        "display_data", {kind.replace("_", "/"): text for kind, text in kinds.items()}
    )


def stream(name, text):
    return new_output("stream", name=name, text=text)


def path_below(*parts):
    """An absolute path, put together here so that this file holds none."""
    return "/".join(("", *parts))


def lengthened(cells):
    return lambda notebook: notebook.cells.extend(new_markdown_cell("") for _ in range(cells))


BROKEN = [
    (
        stored_form,
        lambda notebook: notebook.cells[2].update(execution_count="1"),
        "not a valid notebook",
    ),
    (nothing_volatile, lambda n: n.metadata.language_info.update(version="3.12.1"), "metadata"),
    (nothing_volatile, lambda n: n.metadata.kernelspec.update(name="mine"), "metadata"),
    (nothing_volatile, lambda n: n.metadata.update(widgets={}), "metadata"),
    (nothing_volatile, set_metadata(2, execution={"iopub.status.busy": "2026"}), "cell 2"),
    (nothing_volatile, set_outputs(2, new_output("display_data", {WIDGET: {}})), "widget"),
    (own_ids, lambda notebook: notebook.cells[4].update(id=notebook.cells[3].id), "cell 4"),
    (no_machine, set_outputs(4, stream("stdout", path_below("home", "ada", "x"))), "cell 4"),
    (
        no_machine,
        set_outputs(4, stream("stdout", path_below("tmp", "ipykernel" + "_12", "3.py"))),
        "pyk",
    ),
    (no_machine, set_outputs(4, stream("stdout", "\\".join(("C:", "Users", "ada")))), "C:"),
    (
        no_machine,
        set_outputs(4, data(text_html="<i>site-packages" + "/httpx</i>")),
        "site-packages",
    ),
    (no_machine, set_outputs(4, data(text_plain="<coroutine at 0x7f8a12345678>")), "address"),
    (executed, lambda notebook: notebook.cells[4].update(execution_count=None), "cell 4"),
    (executed, lambda notebook: notebook.cells[2].update(execution_count=9), "cell 2"),
    (errors, set_outputs(3), "cell 3: tagged"),
    (errors, set_metadata(3, tags=[]), "cell 3: stores an error"),
    (markers, set_metadata(4, tags=["raise-exception"]), "unknown"),
    (markers, set_metadata(4, tags=["nbval-skip"]), "unknown"),
    (markers, set_metadata(1, tags=[IGNORED]), "unknown"),
    (markers, set_source(4, "# NBVAL_IGNORE_OUTPUT\nx"), "comment"),
    (markers, set_metadata(4, tags=[IGNORED]), "without a reason"),
    (
        markers,
        lambda n: [cell.metadata.update(tags=[IGNORED], reason="?") for cell in n.cells[4:8]],
        "4 code cells",
    ),
    (hidden, lambda notebook: notebook.cells[2].metadata.pop("jupyter"), "cell 2"),
    (hidden, set_metadata(2, jupyter={**HIDDEN, "source_hidden": True}), "cell 2"),
    (hidden, lambda notebook: notebook.cells[2].outputs.pop(0), "shows through"),
    (hidden, set_metadata(4, jupyter=HIDDEN), "cell 4"),
    (hidden, set_metadata(7, jupyter=HIDDEN), "cell 7"),
    (no_stderr, set_outputs(4, stream("stderr", "RuntimeWarning")), "cell 4"),
    (links, add_to_source(1, "[gone](12-more.ipynb)"), "leads nowhere"),
    (links, add_to_source(1, '<a href="../gone.md">gone</a>'), "leads nowhere"),
    (links, add_to_source(1, "[out](../README.md)"), "leads out of the folder"),
    (links, add_to_source(1, "[gone](#Run-them)"), "no such heading"),
    (links, add_to_source(1, "[gone](01-the-symptom.ipynb#Run-them)"), "no such heading"),
    (heading_order, add_to_source(1, "\n\n# Another title"), "one first-level"),
    (heading_order, set_source(0, "## Who closed it?"), "one first-level"),
    (heading_order, add_to_source(1, "\n\n#### Deep"), "level 4"),
    (shape, set_source(0, good().cells[0].source.replace("?", ".")), "asks a question"),
    (shape, set_source(0, "# Who?\n\nYou need lesson 00."), "you will be able to"),
    (shape, set_source(0, "# Who?\n\nYou will be able to."), "you need"),
    (shape, set_source(-1, "## Go further\n\n[Next](01-the-symptom.ipynb)"), "take away"),
    (shape, set_source(-1, "## Take away\n\n[Next](01-the-symptom.ipynb)"), "go further"),
    (shape, set_source(-1, "## Take away\n\n## Go further"), "next lesson"),
    (alternatives, add_to_source(1, "![](pool.png)"), "cell 1"),
    (alternatives, add_to_source(1, '<img src="pool.png">'), "cell 1"),
    (alternatives, set_outputs(2, data(image_png="aGk=")), "cell 2"),
    (
        alternatives,
        set_outputs(2, data(image_png="aGk=", text_plain="<Figure size 640x480 with 1 Axes>")),
        "Figure",
    ),
    (cell_length, set_source(4, "\n".join(["x"] * (TOO_LONG + 1))), "23 lines"),
    (
        cell_length,
        lambda n: [cell.update(source="\n".join(["x"] * (LONG + 1))) for cell in n.cells[4:8]],
        "4 code cells",
    ),
    (caps, lengthened(MOST_CELLS), "cells, 45 at most"),
    (caps, add_to_source(1, " word" * MOST_WORDS), "words, 1300 at most"),
    (caps, add_to_source(4, "\n\nx" * MOST_LINES), "lines of code, 190 at most"),
    (minutes, set_source(0, "# Who?\n\n20 minutes."), "does not say **Minutes:** 1 to read"),
    (minutes, add_to_source(1, " word" * 180), "1 minutes to read; by the rule"),
    (minutes, set_source(0, "**Minutes:** 9 to read, 2 for the exercises."), "it is 1"),
    (minutes, set_source(0, "**Minutes:** 1 to read."), "no minutes for its exercises"),
    (reached, set_source(1, "## Run it"), "0 links to deeper/00-who-else.ipynb"),
    (reached, add_to_source(-1, "[more](deeper/00-who-else.ipynb#Why)"), "2 links"),
    (predictions, set_source(-2, "x"), "no later cell"),
    (predictions, set_source(7, "predict('Who?', ['a', 'b'])"), "no later cell"),
    (predictions, set_source(-2, 'guess.compare("the server")'), "takes a mapping"),
    (predictions, set_source(-2, 'guess.compare({"the server": True})'), "takes a mapping"),
    (predictions, set_outputs(-2), "no answer of the run"),
    (predictions, add_to_source(-3, "  # the server was first"), "says the answer"),
    (predictions, set_source(-3, "closed('the server')"), "says the answer"),
    (imports, set_source(4, "from course import hint"), "hint is imported, never used"),
    (imports, set_source(4, "import os.path"), "os is imported, never used"),
    (
        server_stays,
        lambda n: n.cells.append(new_code_cell("server.stop()")),
        "server.stop() takes the server away",
    ),
]


@pytest.mark.parametrize("check", [*CHECKS, *SITTING], ids=lambda check: check.__name__)
def test_check_accepts_a_good_lesson(check, first_lesson):
    assert list(check(first_lesson(good()))) == []


@pytest.mark.filterwarnings("ignore::nbformat.warnings.DuplicateCellId")
@pytest.mark.parametrize(
    ("check", "change", "words"), BROKEN, ids=[f"{check.__name__}-{w}" for check, _, w in BROKEN]
)
def test_check_refuses_a_broken_lesson(check, change, words, first_lesson):
    notebook = good()
    change(notebook)
    complaints = list(check(first_lesson(notebook)))
    assert len(complaints) == 1, complaints
    assert THIS in complaints[0]
    assert words in complaints[0]


def test_an_import_that_the_text_tells_to_call_is_no_waste(first_lesson):
    notebook = good()
    set_source(4, "from course import hint")(notebook)
    add_to_source(1, 'Stuck? Run `hint("00-1")`.')(notebook)
    assert list(imports(first_lesson(notebook))) == []


def test_prose_before_the_comparison_does_not_say_the_answer(first_lesson):
    notebook = good()
    notebook.cells.insert(8, new_markdown_cell("## It was the server"))
    assert "cell 8: says the answer" in next(predictions(first_lesson(notebook)))


def test_the_caps_are_twenty_minutes():
    assert MOST_WORDS / WORDS_A_MINUTE + MOST_LINES * SECONDS_A_LINE / 60 <= 20


def test_what_is_deeper_has_its_own_shape(first_lesson):
    notebook = good()
    add_to_source(1, " word" * MOST_WORDS)(notebook)
    lesson = first_lesson(notebook, f"deeper/{DEEPER}")
    assert list(caps(lesson)) == []
    assert list(shape(lesson)) == [f"{DEEPER}: no link back to its lesson"]
    assert "minutes for exercises, of which it has none" in list(minutes(lesson))[-1]
    set_source(0, "# Who?\n\n**Minutes:** 8 to read.")(notebook)
    assert list(minutes(first_lesson(notebook, f"deeper/{DEEPER}"))) == []
    add_to_source(1, "[back](../00-start-here.ipynb)")(notebook)
    assert not any(
        "back" in complaint for complaint in shape(first_lesson(notebook, f"deeper/{DEEPER}"))
    )


def test_stored_form_refuses_a_file_written_otherwise(first_lesson):
    written = first_lesson(good())
    other = Lesson(written.path, written.text.replace("\n ", "\n  "))
    assert "not written as" in next(stored_form(other))


def test_every_check_is_tried_on_a_broken_lesson():
    assert {check for check, _, _ in BROKEN} == {*CHECKS, *SITTING}
