"""The field guide on two sides of A4, as README makes it from lesson 12."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from lesson import FOLDER

from course.guide.faces import FACES, ROWS

PAGE = FOLDER / "12-field-guide.ipynb"


def wall(folder):
    """Make the page for the wall as README says; returns its file."""
    command = [
        *(sys.executable, "-m", "nbconvert", "--to", "html", "--template", "wall"),
        f"--TemplateExporter.extra_template_basedirs={FOLDER / 'course' / 'guide'}",
        *("--output-dir", str(folder), "--output", "wall", str(PAGE)),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "wall.html"


@pytest.mark.slow
def test_it_prints_on_two_pages(tmp_path):
    page = wall(tmp_path)
    html = page.read_text(encoding="utf-8")
    assert html.count("<tbody>") == len(FACES)
    assert html.count("<tr><td") == len(ROWS)
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
    if browser is None:
        pytest.skip("no browser here to print with")
    with tempfile.TemporaryDirectory() as profile:
        printed = tmp_path / "wall.pdf"
        command = [browser, "--headless", "--no-sandbox", f"--user-data-dir={profile}"]
        command += ["--no-pdf-header-footer", f"--print-to-pdf={printed}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    assert count_pages(printed) == 2


def count_pages(path: Path):
    return path.read_bytes().replace(b"/Type/", b"/Type /").count(b"/Type /Page\n")
