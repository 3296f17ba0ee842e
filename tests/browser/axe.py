"""axe-core, the checker of accessibility, on what a notebook shows: fetched by npm, run in the page.

JupyterLab's own faults are none of the lessons': its toolbars, editors and prompts are left out.
"""

import shutil
import subprocess
import tarfile
from pathlib import Path

from playwright.sync_api import Page

AXE = "axe-core@4.14"
SHOWN = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook"
CONTENT = [
    f"{SHOWN} .jp-MarkdownCell .jp-RenderedHTMLCommon",
    f"{SHOWN} .jp-OutputArea-output",
]
OPTIONS = {"resultTypes": ["violations"]}
RUN = """async ([include, exclude, options]) => {
    const present = include.filter(selector => document.querySelector(selector));
    const { violations } = await axe.run({ include: present, exclude }, options);
    return violations.flatMap(({ id, nodes }) => nodes.map(node => [id, node.html, node.any.concat(node.all, node.none).map(c => c.message).join('; ')]));
}"""
EXCLUDED = [
    ".jp-InternalAnchorLink",
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
    """Return (rule, element, what is wrong) for each fault in the content of the notebook in front.

    The page has axe already: `page.evaluate(fetched(folder))`.
    """
    return page.evaluate(RUN, [CONTENT, EXCLUDED, OPTIONS])
