"""The kernel is interrupted, restarted and left alone; its server, and what it says, stand it."""

import re

import pytest
from open_notebook import Notebook

pytestmark = pytest.mark.browser

PATH = "01-the-symptom.ipynb"
HANGS = """\
from workbench import run_trials

async def waits():
    async with httpx.AsyncClient(timeout=None) as client:
        return await client.get(server.url + "/faults/hold?gate=never")

print("it begins")
await run_trials(waits, n=3)
"""


@pytest.fixture
def lesson(page):
    notebook = Notebook.open(page, PATH)
    yield notebook
    notebook.shut_down()


def own_cell(notebook, source):
    number = notebook.insert_below(notebook.find("")[-1])
    notebook.write(number, source)
    return number


def test_a_trial_is_interrupted_and_the_lesson_goes_on(lesson):
    lesson.run_all()
    number = own_cell(lesson, HANGS)
    lesson.begin(number)
    lesson.cell(number).get_by_text("it begins", exact=True).wait_for()
    lesson.panel.get_by_role("button", name="Interrupt the kernel").click()
    lesson.wait_until_done()
    assert re.fullmatch(r"it begins\s+(CancelledError|KeyboardInterrupt): ", lesson.outputs(number))
    lesson.write(number, "server.running, httpx.get(server.url).status_code")
    assert lesson.run(number) == "(True, 200)"
    lesson.run_all()
    assert lesson.errors() == []


def test_restarted_in_the_middle(lesson):
    lesson.forget_numbers()
    lesson.menu("Run", "Run All Cells")
    lesson.page.wait_for_function(
        "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'busy'"
    )
    lesson.panel.get_by_role("button", name="Restart the kernel").first.click()
    lesson.page.locator(".jp-Dialog .jp-mod-accept").click()
    lesson.page.wait_for_function(
        "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
    )
    lesson.run_all()
    assert lesson.errors() == []


def test_closed_and_opened_again_the_server_is_there(lesson):
    lesson.run_all()
    page = lesson.page
    page.keyboard.press("Control+s")
    page.wait_for_function("() => !jupyterapp.shell.currentWidget.context.model.dirty")
    page.locator(".lm-TabBar-tab.lm-mod-current .lm-TabBar-tabCloseIcon").last.click()
    again = Notebook.open(page, PATH)
    number = own_cell(again, "server.running")
    assert again.run(number) == "True"
