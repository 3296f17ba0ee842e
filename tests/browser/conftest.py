"""One JupyterLab and one page for each worker; a lesson is opened and run once for its tests."""

import subprocess

import pytest
from axe import fetched, violations
from lab import CHROMIUM_OPTIONS, Lab, chromium
from open_notebook import MINUTE, Notebook

WINDOW = {"width": 1280, "height": 800}


@pytest.fixture(scope="session")
def browser():
    """Chromium without a window, the system's own."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not (path := chromium()):
        pytest.skip("there is no Chromium here; on Debian: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*CHROMIUM_OPTIONS])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def lab(browser, tmp_path_factory):
    """JupyterLab, started as README says. After `browser`: no server where nobody will look."""
    lab = Lab(tmp_path_factory.mktemp("lab"))
    yield lab
    lab.close()


@pytest.fixture(scope="session")
def page(browser, lab):
    """The page that JupyterLab's start opens."""
    page = browser.new_page(viewport=WINDOW)
    page.set_default_timeout(MINUTE)
    page.goto(lab.page)
    page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.context?.isReady")
    yield page
    page.close()


@pytest.fixture(scope="module")
def lesson(request, page):
    """The lesson of a test's parameter, opened, run once by the menu, and shut down after all."""
    notebook = Notebook.open(page, request.param)
    notebook.run_all()
    yield notebook
    notebook.shut_down()


@pytest.fixture(scope="session")
def axe(page, tmp_path_factory):
    """What axe finds wrong with the notebook in front of a page."""
    try:
        source = fetched(tmp_path_factory.mktemp("axe"))
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"npm gives no axe-core here: {error}")
    page.evaluate(source)
    return violations
