"""axe-core, a checker of accessibility, on what a notebook shows: npm fetches it, the page runs it.

JupyterLab's own faults are none of the lessons': its toolbars, editors and prompts are left out.
"""

from __future__ import annotations  # playwright is named in annotations only

import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE = "axe-core@4.14"
SHOWN = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook"
CONTENT = [
    f"{SHOWN} .jp-MarkdownCell .jp-RenderedHTMLCommon",
    f"{SHOWN} .jp-OutputArea-output",
]
RUN = """async ([include, exclude]) => {
    const present = include.filter(selector => document.querySelector(selector));
    const found = await axe.run({ include: present, exclude }, { resultTypes: ['violations'] });
    return found.violations.flatMap(({ id, help, nodes }) => nodes.map(
        node => [id, help, node.html.slice(0, 200)]));
}"""
EXCLUDED = [
    ".jp-InternalAnchorLink",  # the sign that JupyterLab puts behind each heading
    # A slider's handle. ipywidgets 8.1 sets no handleAttributes, so it has a role and no name; who
    # cannot use it has `explorer.set(...)` and `await explorer.run()`.
    ".noUi-handle",
]


def fetched(folder: Path) -> str:
    """Return axe's source. Raises `OSError` or `CalledProcessError` where npm cannot give it."""
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not installed")
    command = [npm, "pack", "--silent", AXE]
    done = subprocess.run(
        command, cwd=folder, check=True, capture_output=True, encoding="utf-8", timeout=120
    )
    with tarfile.open(folder / done.stdout.split()[-1]) as packed:
        return packed.extractfile("package/axe.min.js").read().decode()


def violations(page: Page) -> list[list[str]]:
    """Return (rule, in words, element) for each fault in the content of the notebook in front.

    The page has axe already: `page.evaluate(fetched(folder))`.
    """
    return page.evaluate(RUN, [CONTENT, EXCLUDED])
