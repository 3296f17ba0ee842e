"""What a new user sees: README's command has opened lesson 00, and JupyterLab asks nothing."""

import pytest
from lab import LESSONS
from open_notebook import Notebook

from course.capstone.working_copy import NAME

pytestmark = pytest.mark.browser

# Wider than its box: its end is cut.
CUT = "names => names.filter(n => n.scrollWidth > n.clientWidth).map(n => n.innerText)"


@pytest.fixture(scope="module")
def opened(page):
    return Notebook(page, "00-start-here.ipynb")


def test_lesson_00_is_open_and_its_kernel_is_there(opened):
    assert opened.panel.locator("h1").first.inner_text().startswith("What is this course")


def test_nothing_is_asked_and_nothing_announced(opened):
    page = opened.page
    page.evaluate("async () => { await jupyterapp.started; }")
    assert page.locator(".jp-Dialog").count() == 0
    assert page.locator(".Toastify__toast").all_inner_texts() == []
    assert page.locator(".jp-Notification-Status").inner_text().strip() == "0"


def test_the_list_shows_the_lessons_and_not_the_machinery(opened):
    names = opened.page.locator(".jp-DirListing-itemText")
    shown = [name for name in names.all_inner_texts() if name != NAME]
    first = ["deeper", "services", *(path.name for path in LESSONS)]
    assert shown[: len(first)] == first
    assert all(name.endswith(".md") for name in shown[len(first) :])


def test_no_lessons_name_is_cut(opened):
    assert opened.page.locator(".jp-DirListing-itemText").evaluate_all(CUT) == []


def test_what_is_not_listed_opens_by_its_path(opened):
    page = opened.page
    opened.menu("File", "Open from Path…")
    page.locator(".jp-Dialog input").fill("course/claims.py")
    page.locator(".jp-Dialog").get_by_role("button", name="Open").click()
    page.locator(".jp-FileEditor .cm-line", has_text="claims").first.wait_for()
    page.evaluate("jupyterapp.shell.currentWidget.close()")
    page.locator(".jp-BreadCrumbs-home").click()  # back from the file's folder


def test_a_lesson_opens_by_a_double_click(opened):
    page = opened.page
    page.locator(".jp-DirListing-itemText", has_text="01-the-symptom.ipynb").dblclick()
    lesson = Notebook(page, "01-the-symptom.ipynb")
    assert lesson.panel.locator("h1").first.is_visible()
    lesson.shut_down()
