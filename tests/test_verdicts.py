"""The page of verdicts: what the lessons have stored, and what it says of a doctored lesson."""

import shutil
from pathlib import Path

import nbformat
import pytest

from course.claims import CLAIMS
from course.verdicts import verdicts

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def test_each_of_the_sixteen_claims_has_a_computed_verdict():
    page = verdicts(NOTEBOOKS)
    assert not page.problems, "\n".join(page.problems)
    assert list(page.answers) == list(CLAIMS)
    assert set(page.answers.values()) == {"true", "false", "half"}


def test_lesson_11_has_stored_this_page():
    outputs = [
        output.get("data", {}).get("text/plain")
        for cell in nbformat.read(NOTEBOOKS / "11-capstone.ipynb", as_version=4).cells
        for output in cell.get("outputs", [])
    ]
    assert repr(verdicts(NOTEBOOKS)) in outputs


def test_each_verdict_is_linked_to_a_heading_of_its_lesson():
    page = verdicts(NOTEBOOKS)
    shown = page._repr_html_()
    for stored in (stored for places in page.found.values() for stored in places):
        headings = [
            line.lstrip("# ").replace("`", "")
            for cell in nbformat.read(NOTEBOOKS / stored.lesson, as_version=4).cells
            if cell.cell_type == "markdown"
            for line in cell.source.splitlines()
            if line.startswith("#")
        ]
        assert stored.heading in headings
        assert f'href="{stored.link}"' in shown


# Doctored copies


@pytest.fixture
def copies(tmp_path):
    """The lessons, to be doctored."""
    for path in NOTEBOOKS.glob("[01][0-9]-*.ipynb"):
        shutil.copy(path, tmp_path)
    return tmp_path


def doctor(folder, claim, change, lesson=None):
    """Apply `change(cell, output)` to the cells whose output is the verdict of a claim."""
    done = 0
    for path in sorted(folder.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            for output in cell.get("outputs", []):
                text = output.get("data", {}).get("text/plain", "")
                if text.startswith(f"Verdict {claim}:") and path.name.startswith(lesson or ""):
                    change(cell, output)
                    done += 1
        nbformat.write(notebook, path)
    assert done


def replace(old, new):
    def change(cell, output):
        assert old in output.data["text/plain"]
        output.data["text/plain"] = output.data["text/plain"].replace(old, new)

    return change


def turn_over(cell, output):
    """Another answer that follows from other parts, in the output alone."""
    text = output.data["text/plain"]
    output.data["text/plain"] = text.replace(": true", ": false").replace(" yes: ", "  no: ")


def turn_over_all(cell, output):
    turn_over(cell, output)
    cell.source = cell.source.replace('answer == "true"', 'answer == "false"')


def written_by_hand(cell, output):
    cell.source = "print('no verdict is computed here')"


def cleared(cell, output):
    cell.outputs = []


@pytest.mark.parametrize(
    ("claim", "lesson", "change", "words"),
    [
        ("C1", None, cleared, "C1: no lesson has a verdict"),
        ("C1", None, replace("C1: true", "C1: false"), "'false' does not follow from its parts"),
        ("C1", None, turn_over, "the output says 'false', the cell asserts ['true']"),
        ("C1", None, written_by_hand, "its cell does not compute it"),
        ("C1", None, replace("Verdict C1:", "Verdict C17:"), "there is no such claim"),
        ("C1", None, replace("yes: ", "yes: by the way, "), "the parts in the output are not"),
    ],
    ids=["cleared", "answer", "parts too", "by hand", "unknown claim", "words"],
)
def test_a_doctored_verdict_is_found(claim, lesson, change, words, copies):
    before = verdicts(copies).problems
    doctor(copies, claim, change, lesson)
    found = [problem for problem in verdicts(copies).problems if problem not in before]
    assert any(words in problem for problem in found), found


def test_two_lessons_that_contradict_each_other_are_found(copies):
    other = copies / "09-other.ipynb"
    shutil.copy(copies / "02-context-managers.ipynb", other)
    assert not [problem for problem in verdicts(copies).problems if problem.startswith("C8:")]
    doctor(copies, "C8", turn_over_all, lesson="09-other")
    page = verdicts(copies)
    assert page.answers["C8"] == "?"
    found = [problem for problem in page.problems if problem.startswith("C8:")]
    assert found == ["C8: 02-context-managers.ipynb says 'true', 09-other.ipynb says 'false'"]


def test_a_folder_without_lessons_has_no_verdict(tmp_path):
    page = verdicts(tmp_path)
    assert set(page.answers.values()) == {"none yet"}
    assert len(page.problems) == len(CLAIMS)
