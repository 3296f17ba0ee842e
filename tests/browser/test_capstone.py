"""Lesson 11: the service is edited in JupyterLab's own editor, saved, and judged."""

import pytest
from open_notebook import MINUTE, Notebook

from course.capstone.edits import SOLUTION, edited
from course.capstone.working_copy import NAME

pytestmark = pytest.mark.browser

EDITOR = ".jp-FileEditor:not(.lm-mod-hidden)"


@pytest.fixture(scope="module")
def lesson(page):
    notebook = Notebook.open(page, "11-capstone.ipynb")
    notebook.run_all()
    yield notebook
    notebook.shut_down()


def edit(lesson, text):
    """Double click the copy in the list, replace its text from the keyboard, save, come back."""
    page = lesson.page
    page.locator(".jp-DirListing-itemText", has_text=NAME).dblclick()
    page.locator(f"{EDITOR} .cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(text)
    page.keyboard.press("Control+s")
    page.wait_for_function("() => !jupyterapp.shell.currentWidget.context.model.dirty")
    lesson.to_front()


def test_the_copy_is_edited_saved_and_judged(lesson):
    [judge] = lesson.find(r"^await judge\(mine\)")
    assert "not attempted" in lesson.outputs(judge)

    edit(lesson, edited(SOLUTION[:1]) + "\nthis is no Python\n")
    assert "invalid syntax" in lesson.run(judge)

    edit(lesson, edited(SOLUTION))
    assert f"{NAME}: it keeps its promises" in lesson.run(judge)


def test_a_hint_and_the_solution(lesson):
    [judge] = lesson.find(r"^await judge\(mine\)")
    own = lesson.insert_below(judge)
    lesson.write(own, 'hint("streaming answer")')
    assert "hint 1 of" in lesson.run(own)
    lesson.write(own, 'solution("capstone")')
    lesson.run(own)  # asked a second time it opens, whatever was tried
    assert "a solution" in lesson.run(own)


def test_a_link_of_the_verdicts_leads_to_its_cell(lesson):
    [page_of_verdicts] = lesson.find(r"verdict_page\(\)")
    lesson.cell(page_of_verdicts).get_by_role("link").first.click()
    lesson.page.wait_for_function(
        "() => jupyterapp.shell.currentWidget?.context?.path === '01-the-symptom.ipynb'",
        timeout=MINUTE,
    )
    Notebook(lesson.page, "01-the-symptom.ipynb").shut_down()
