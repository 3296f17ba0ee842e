"""The page of verdicts: what the lessons have stored, and what it says of a doctored lesson."""

import shutil
from pathlib import Path

import nbformat
import pytest

from course.claims import CLAIMS
from course.verdict_page import verdict_page

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


def test_each_of_the_sixteen_claims_has_a_computed_verdict():
    page = verdict_page(NOTEBOOKS)
    assert not page.problems, "\n".join(page.problems)
    assert list(page.answers) == list(CLAIMS)
    assert set(page.answers.values()) == {"true", "false", "half"}


def test_lesson_11_has_stored_this_page():
    outputs = [
        output.get("data", {}).get("text/plain")
        for cell in nbformat.read(NOTEBOOKS / "11-capstone.ipynb", as_version=4).cells
        for output in cell.get("outputs", [])
    ]
    assert repr(verdict_page(NOTEBOOKS)) in outputs


def test_each_verdict_is_linked_to_its_cell():
    page = verdict_page(NOTEBOOKS)
    shown = page._repr_html_()
    for stored in (stored for places in page.found.values() for stored in places):
        assert f'<a href="{stored.link}">' in shown
        lesson, _, cell_id = stored.link.partition("#cell-id=")
        cells = nbformat.read(NOTEBOOKS / lesson, as_version=4).cells
        [cell] = [cell for cell in cells if cell.id == cell_id]
        assert any(
            output.get("data", {}).get("text/plain", "").startswith(f"Verdict {stored.claim}:")
            for output in cell.outputs
        )


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
        ("C1", None, cleared, "C1: run lesson 01-the-symptom.ipynb; its cell has no output yet"),
        ("C1", None, replace("C1: true", "C1: false"), "'false' does not follow from its parts"),
        ("C1", None, turn_over, "the output says 'false', the cell asserts ['true']"),
        ("C1", None, written_by_hand, "no cell of the lesson computes it"),
        ("C1", None, replace("Verdict C1:", "Verdict C17:"), "there is no such claim"),
        ("C1", None, replace("yes: ", "yes: by the way, "), "the parts in the output are not"),
    ],
    ids=["cleared", "answer", "parts too", "by hand", "unknown claim", "words"],
)
def test_a_doctored_verdict_is_found(claim, lesson, change, words, copies):
    before = verdict_page(copies).problems
    doctor(copies, claim, change, lesson)
    found = [problem for problem in verdict_page(copies).problems if problem not in before]
    assert any(words in problem for problem in found), found


def test_two_lessons_that_contradict_each_other_are_found(copies):
    other = copies / "09-other.ipynb"
    shutil.copy(copies / "02-context-managers.ipynb", other)
    assert not [problem for problem in verdict_page(copies).problems if problem.startswith("C8:")]
    doctor(copies, "C8", turn_over_all, lesson="09-other")
    page = verdict_page(copies)
    assert page.answers["C8"] == "?"
    found = [problem for problem in page.problems if problem.startswith("C8:")]
    assert found == ["C8: 02-context-managers.ipynb says 'true', 09-other.ipynb says 'false'"]


def test_the_page_is_shown_whole_and_its_problems_are_the_message(copies):
    verdict_page(NOTEBOOKS).require_complete()
    doctor(copies, "C1", cleared)
    page = verdict_page(copies)
    problem = "C1: run lesson 01-the-symptom.ipynb; its cell has no output yet"
    assert page.problems == [problem]
    assert f"problem: {problem}" in repr(page)
    assert f"<li>{problem}</li>" in page._repr_html_()
    with pytest.raises(AssertionError, match=problem):
        page.require_complete()


def test_a_cell_half_written_is_passed_over(copies):
    path = copies / "03-closed-too-early.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell('mine = verdict("C1", {'))
    nbformat.write(notebook, path)
    assert not verdict_page(copies).problems


def test_it_is_the_same_from_any_folder(copies, monkeypatch):
    monkeypatch.chdir(copies)
    assert repr(verdict_page()) == repr(verdict_page(NOTEBOOKS))


def test_a_folder_without_lessons_has_no_verdict(tmp_path):
    page = verdict_page(tmp_path)
    assert set(page.answers.values()) == {"none yet"}
    assert len(page.problems) == len(CLAIMS)
