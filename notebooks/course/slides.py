"""Slides of the session of 90 minutes: python -m course.slides FOLDER [--offline NODE_MODULES]

They are the cells that `for-instructors.md` names, and what it says of each step is the speaker
notes: no sentence stands twice. nbconvert writes them, for reveal.js. What a cell gives comes after
its code, with the next key.

The pages load reveal.js, require.js and jQuery from the network. For a room without one, have npm
fetch them before, and they are copied beside the slides:

    npm install --no-save reveal.js@4 requirejs jquery
    python -m course.slides slides --offline node_modules
"""

import argparse
import html
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from course.session import Step, steps

NAME = "session"  # nbconvert adds .slides.html
TITLE = "# How async HTTP clients really behave"
HIDE_INPUT = "answer"  # the tag of a cell that shows what the one before gave
OFFLINE = {
    "reveal.js/dist": "reveal.js/dist",
    "reveal.js/plugin": "reveal.js/plugin",
    "requirejs/require.js": "require.js",
    "jquery/dist/jquery.min.js": "jquery.min.js",
}
NO_WORDS = 'alt="No description has been provided for this image"'
OPTIONS = (
    "--SlidesExporter.reveal_scroll=True",
    "--SlidesExporter.reveal_number=c/t",
    "--SlidesExporter.reveal_width=1280",  # 100 columns of code
    "--SlidesExporter.reveal_height=800",
    "--TagRemovePreprocessor.enabled=True",
    f"--TagRemovePreprocessor.remove_input_tags={HIDE_INPUT}",
    "--TemplateExporter.exclude_input_prompt=True",
    "--TemplateExporter.exclude_output_prompt=True",
)
FROM_BESIDE = (
    "--SlidesExporter.reveal_url_prefix=reveal.js",
    "--HTMLExporter.require_js_url=require.js",
    "--HTMLExporter.jquery_url=jquery.min.js",
)


def notebook() -> dict[str, Any]:
    """Return the notebook that nbconvert makes slides of: the session's cells, and its words."""
    cells = [_markdown("title", "slide", TITLE)]
    for step in steps():
        cells += _slides_of(step)
    for number, cell in enumerate(cells):
        cell["id"] = f"slide-{number}"
    info = {"language_info": {"name": "python"}}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": info, "cells": cells}


def _slides_of(step: Step) -> Iterator[dict[str, Any]]:
    at = f"{step.at // 60}:{step.at % 60:02}"
    yield _markdown("step", "slide", f"## {step.title}")
    yield _markdown("notes", "notes", f"{at}, {step.minutes} minutes\n\n{step.words}")
    for named in step.cells:
        if not named.shown:
            continue
        cell = {**named.cell, "metadata": _kind("subslide")}
        given = [output for output in cell.get("outputs", []) if output.get("data") != {}]
        if cell["cell_type"] == "markdown" or not given:
            yield cell
        elif _is_question(given[0]):
            yield {**cell, "outputs": given}
        else:
            yield {**cell, "outputs": []}
            yield {**cell, "outputs": given, "metadata": _kind("fragment", HIDE_INPUT)}


def _is_question(output: dict[str, Any]) -> bool:
    return "".join(output.get("data", {}).get("text/plain", "")).startswith("Predict: ")


def _kind(kind: str, *tags: str) -> dict[str, Any]:
    return {"slideshow": {"slide_type": kind}, "tags": list(tags)}


def _markdown(name: str, kind: str, source: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": _kind(kind), "source": source}


def write(folder: Path, modules: Path | None = None) -> Path:
    """Write the slides into a folder and return their file.

    modules: npm's folder with reveal.js, requirejs and jquery, which are copied beside the slides;
    without it the pages load them from the network. Raises `OSError` if one of them is not there,
    and `subprocess.CalledProcessError` if nbconvert fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for source, target in OFFLINE.items() if modules else ():
        place = folder / target
        place.parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (modules / source).is_dir() else shutil.copyfile
        copy(
            modules / source, place, **({"dirs_exist_ok": True} if copy is shutil.copytree else {})
        )
    made = notebook()
    options = [*OPTIONS, *(FROM_BESIDE if modules else ())]
    command = [sys.executable, "-m", "nbconvert", "--to", "slides", "--stdin", *options]
    subprocess.run(
        [*command, f"--output-dir={folder}", f"--output={NAME}"],
        input=json.dumps(made),
        encoding="utf-8",
        check=True,
    )
    slides = folder / f"{NAME}.slides.html"
    slides.write_text(with_words(slides.read_text(encoding="utf-8"), made), encoding="utf-8")
    return slides


def with_words(page: str, made: dict[str, Any]) -> str:
    """Return the page with each picture's words: nbconvert 7's reveal template drops them."""
    outputs = (output for cell in made["cells"] for output in cell.get("outputs", []))
    data = (output["data"] for output in outputs if "image/png" in output.get("data", {}))
    words = iter([html.escape("".join(each["text/plain"])) for each in data])
    return re.sub(re.escape(NO_WORDS), lambda _: f'alt="{next(words)}"', page)


def main() -> int:
    """Write the slides as the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m course.slides",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=Path, help="where session.slides.html is to be written")
    parser.add_argument("--offline", type=Path, metavar="NODE_MODULES", help="npm's folder")
    given = parser.parse_args()
    print(f"{write(given.folder, given.offline)}: open it in a browser; the key S opens the notes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
