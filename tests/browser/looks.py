"""Take pictures of the lessons in JupyterLab, to be looked at: light and dark, in three windows.

    python tests/browser/looks.py looks                        # every lesson, into the folder looks
    python tests/browser/looks.py looks -l 05 -t dark -w 960    # one lesson in one form
    python tests/browser/looks.py --readme                      # the picture in README

Each lesson is run first, then taken from top to bottom, a window's height at a time.
"""

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lab import CHROMIUM_OPTIONS, DEEPER, LESSONS, ROOT, Lab, chromium
from open_notebook import MINUTE, Notebook
from playwright.sync_api import Browser, Page, sync_playwright

# Width, height and scale: a small and a large screen, and a 13-inch laptop that shows all at 150 %.
WINDOWS = {1280: (1280, 1600, 1), 1920: (1920, 1600, 1), 960: (960, 1200, 1.5)}
THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
SCROLLED = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer"
README_PICTURE = ROOT / "notebooks/pictures/lesson.png"
README_LESSON = "03-closed-too-early.ipynb"


@contextlib.contextmanager
def laboratory() -> Iterator[tuple[Lab, Browser]]:
    """JupyterLab on a copy of the notebooks, and the system's Chromium."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=[*CHROMIUM_OPTIONS])
        lab = Lab(Path(folder))
        try:
            yield lab, browser
        finally:
            lab.close()
            browser.close()


def opened(browser: Browser, lab: Lab, window: tuple[int, int, float], theme: str) -> Page:
    """Return JupyterLab's page in a window of its own and in a theme."""
    width, height, scale = window
    page = browser.new_page(viewport={"width": width, "height": height}, device_scale_factor=scale)
    page.set_default_timeout(MINUTE)
    page.goto(lab.page)
    page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.context?.isReady")
    change = """async theme => {
        await jupyterapp.commands.execute('apputils:change-theme', { theme });
    }"""
    page.evaluate(change, THEMES[theme])
    chosen = "theme => document.body.dataset.jpThemeName === theme"
    page.wait_for_function(chosen, arg=THEMES[theme])
    return page


def take(page: Page, name: str, folder: Path) -> int:
    """Take the notebook in front from top to bottom; return how many pictures that are."""
    page.mouse.move(0, 0)  # or JupyterLab marks the cell under the mouse
    outer = page.locator(SCROLLED)
    taken, top = 0, 0.0
    while True:
        here = outer.evaluate("(e, top) => { e.scrollTop = top; return e.scrollTop; }", top)
        page.screenshot(path=folder / f"{name}-{taken:02}.png")
        taken += 1
        seen = outer.evaluate("e => e.clientHeight")
        end = outer.evaluate("e => e.scrollHeight")
        top = here + seen * 0.95
        if here + seen >= end:
            return taken


def look(lab: Lab, browser: Browser, lessons: list[str], folder: Path, forms: list) -> None:
    """Take each lesson in each form."""
    folder.mkdir(parents=True, exist_ok=True)
    for width, theme in forms:
        page = opened(browser, lab, WINDOWS[width], theme)
        for lesson in lessons:
            notebook = Notebook.open(page, lesson)
            notebook.run_all()
            name = f"{lesson.removesuffix('.ipynb').replace('/', '-')}-{width}-{theme}"
            print(f"{name}: {take(page, name, folder)} pictures", flush=True)
            notebook.shut_down()
        page.close()


def readme_picture(lab: Lab, browser: Browser) -> None:
    """Take lesson 03 at its first picture, as README shows it."""
    page = opened(browser, lab, (1280, 800, 1), "light")
    notebook = Notebook.open(page, README_LESSON)
    notebook.run_all()
    picture = notebook.panel.locator("img[alt]").first
    picture.evaluate("e => e.closest('.jp-Cell').scrollIntoView()")
    page.mouse.move(0, 0)  # or JupyterLab marks the cell under the mouse
    page.screenshot(path=README_PICTURE)
    notebook.shut_down()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="where the pictures go")
    parser.add_argument("-l", "--lesson", default="", help="those whose path contains this")
    parser.add_argument("-t", "--theme", choices=THEMES, action="append")
    parser.add_argument("-w", "--width", type=int, choices=WINDOWS, action="append")
    parser.add_argument("--readme", action="store_true", help="the picture in README, and no other")
    arguments = parser.parse_args()
    names = [path.relative_to(ROOT / "notebooks").as_posix() for path in (*LESSONS, *DEEPER)]
    lessons = [name for name in names if arguments.lesson in name]
    forms = [(w, t) for w in arguments.width or WINDOWS for t in arguments.theme or THEMES]
    if not arguments.readme and arguments.folder is None:
        parser.error("a folder for the pictures is needed")
    with laboratory() as (lab, browser):
        if arguments.readme:
            readme_picture(lab, browser)
        else:
            look(lab, browser, lessons, arguments.folder, forms)


if __name__ == "__main__":
    main()
