"""The form of the lessons: what nbval passes over, and the shape that every lesson has.

nbval accepts a cell that was never run or no longer raises; a reader meets it all the same. Each
check below is a generator of complaints about one lesson, and each is tried at the end on
notebooks made to break it.
"""

import json
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from store import CELL_METADATA, METADATA, WIDGET

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
LESSONS = (
    "00-start-here.ipynb",
    "01-the-symptom.ipynb",
    "02-context-managers.ipynb",
    "03-closed-too-early.ipynb",
    "04-stale-connections.ipynb",
    "05-the-pool-runs-dry.ipynb",
    "06-the-wrong-loop.ipynb",
    "07-fix-1-client-per-call.ipynb",
    "08-fix-2-shared-client.ipynb",
    "09-fix-3-fastapi-dependency.ipynb",
    "10-timeouts.ipynb",
    "11-capstone.ipynb",
)
RAISES, IGNORED = "raises-exception", "nbval-ignore-output"
LONG, TOO_LONG = 15, 22  # lines of a code cell: few may pass the first, none the second
FEW = 5  # few: at most one in five of a lesson's code cells

MACHINE_PATH = re.compile(
    r"(?<![\w.])/(?:home|root|Users|private|tmp|work|var/folders)/\w"
    r"|[\\/]\.pyenv[\\/]|(?:site|dist)-packages[\\/]|lib/python\d|ipykernel_\d"
    r"|\b[A-Z]:\\+(?:Users|Windows|Program|Python)"
)
ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{6,}")
MARKER = re.compile(r"^\s*#+\s*(?:NBVAL|PYTEST_VALIDATE)_\w+", re.MULTILINE)
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(<?([^)>\s]+)|<a\s[^>]*href=\"([^\"]+)")
IMAGE = re.compile(r"!\[([^\]]*)\]\(|<img\s([^>]*)>")
HEADING = re.compile(r"^(#{1,6})\s+(.*?)\s*#*$", re.MULTILINE)


@dataclass
class Lesson:
    """A notebook's file and the text in it."""

    path: Path
    text: str

    @classmethod
    def read(cls, path):
        return cls(path, path.read_text(encoding="utf-8"))

    @cached_property
    def notebook(self):
        return nbformat.reads(self.text, as_version=4)

    @property
    def name(self):
        return self.path.name

    @property
    def markdown(self):
        """(where, source without code blocks) of each markdown cell."""
        for number, cell in enumerate(self.notebook.cells):
            if cell.cell_type == "markdown":
                yield f"{self.name}, cell {number}", FENCED.sub("", cell.source)

    @property
    def code(self):
        """(where, cell) of each code cell that has code."""
        for number, cell in enumerate(self.notebook.cells):
            if cell.cell_type == "code" and cell.source.strip():
                yield f"{self.name}, cell {number}", cell

    @property
    def outputs(self):
        """(where, output) of each stored output."""
        for where, cell in self.code:
            for output in cell.outputs:
                yield where, output

    @property
    def headings(self):
        """(where, level, text as shown) of each heading, in order."""
        for where, source in self.markdown:
            for marks, text in HEADING.findall(source):
                yield where, len(marks), re.sub(r"[`*]", "", text)

    @property
    def links(self):
        """(where, target) of each link that is not an address on the web."""
        for where, source in self.markdown:
            for inline, html in LINK.findall(CODE.sub("", source)):
                if not re.match(r"[a-z]+:", inline or html):
                    yield where, unquote(inline or html)


def tags(cell):
    return cell.metadata.get("tags", [])


# The file


def stored_form(lesson):
    """The file is valid, and written as tests/store.py writes it."""
    try:
        nbformat.validate(json.loads(lesson.text))
    except nbformat.ValidationError as error:
        yield f"{lesson.name} is not a valid notebook: {error.message}"
        return
    if lesson.text != nbformat.writes(lesson.notebook) + "\n":
        yield f"{lesson.name} is not written as tests/store.py writes it"


def nothing_volatile(lesson):
    """No metadata that changes from run to run: versions, time stamps, widget state."""
    if lesson.notebook.metadata != METADATA:
        yield f"{lesson.name}: its metadata are not exactly {METADATA}"
    for number, cell in enumerate(lesson.notebook.cells):
        if extra := set(cell.metadata) - CELL_METADATA:
            yield f"{lesson.name}, cell {number}: metadata {sorted(extra)}"
    for where, output in lesson.outputs:
        if WIDGET in output.get("data", {}):
            yield f"{where}: a widget's model id is stored"


def own_ids(lesson):
    """Each cell has an id of its own."""
    seen = set()
    # From the file itself: nbformat gives a cell another id when it meets one twice.
    for number, cell in enumerate(json.loads(lesson.text)["cells"]):
        if cell["id"] in seen:
            yield f"{lesson.name}, cell {number}: the id {cell['id']!r} is taken"
        seen.add(cell["id"])


def no_machine(lesson):
    """No path and no memory address of the machine that ran it."""
    for number, cell in enumerate(lesson.notebook.cells):
        for text in strings(cell):
            for found in MACHINE_PATH.finditer(text):
                around = text[found.start() : found.end() + 30]
                yield f"{lesson.name}, cell {number}: a path of a machine: {around!r}"
    for where, output in lesson.outputs:
        for text in strings(output):
            for address in ADDRESS.findall(text):
                yield f"{where}: a memory address in the output: {address}"


def strings(node):
    """Every string in a cell or output, pictures aside: base64 is not text."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for key, value in node.items():
            if not key.startswith("image/"):
                yield from strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from strings(value)


# The run


def executed(lesson):
    """Every code cell was executed, from top to bottom in one go."""
    for expected, (where, cell) in enumerate(lesson.code, start=1):
        if cell.execution_count != expected:
            yield f"{where}: execution count {cell.execution_count}, not {expected}"


def errors(lesson):
    """A cell tagged raises-exception stores its error, and no other cell stores one."""
    for where, cell in lesson.code:
        stored = any(output.output_type == "error" for output in cell.outputs)
        if RAISES in tags(cell) and not stored:
            yield f"{where}: tagged {RAISES}, but stores no error"
        if stored and RAISES not in tags(cell):
            yield f"{where}: stores an error, but is not tagged {RAISES}"


def markers(lesson):
    """Tags are known ones, on code cells; an ignored output has its reason, and is rare."""
    for number, cell in enumerate(lesson.notebook.cells):
        known = {RAISES, IGNORED} if cell.cell_type == "code" else set()
        if unknown := set(tags(cell)) - known:
            yield f"{lesson.name}, cell {number}: unknown tags {sorted(unknown)}"
    ignored = 0
    for where, cell in lesson.code:
        if MARKER.search(cell.source):
            yield f"{where}: an nbval marker in a comment; write it as a tag"
        if IGNORED in tags(cell):
            ignored += 1
            if not cell.metadata.get("reason", "").strip():
                yield f"{where}: {IGNORED} without a reason in the cell's metadata"
    if ignored * FEW > sum(1 for _ in lesson.code):
        yield f"{lesson.name}: the outputs of {ignored} code cells are ignored"


def no_stderr(lesson):
    """Nothing is stored from stderr: warnings name a temporary file and never compare equal."""
    for where, output in lesson.outputs:
        if output.get("name") == "stderr":
            yield f"{where}: stderr is stored: {output.text[:60]!r}"


# The reader


def links(lesson):
    """Relative links lead to files that are there, and #fragments to a heading."""
    for where, target in lesson.links:
        path, _, fragment = target.partition("#")
        there = lesson.path.parent / path if path else lesson.path
        if not there.exists():
            yield f"{where}: {target} leads nowhere"
        elif fragment and there.suffix == ".ipynb":
            # JupyterLab's anchors, and nbviewer's: the heading with dashes for spaces.
            anchors = {text.replace(" ", "-") for _, _, text in Lesson.read(there).headings}
            if fragment not in anchors:
                yield f"{where}: {target}: no such heading"


def heading_order(lesson):
    """One heading of the first level, at the top, and no level skipped on the way down."""
    headings = list(lesson.headings)
    levels = [level for _, level, _ in headings]
    if levels[:1] != [1] or levels.count(1) != 1:
        yield f"{lesson.name}: not exactly one first-level heading, at the top"
    for above, (where, level, text) in zip(levels, headings[1:], strict=False):
        if level > above + 1:
            yield f"{where}: {text!r} is of level {level} below one of level {above}"


def shape(lesson):
    """The shape of a lesson: question, goals, needs and minutes; take away, go further, next."""
    first = lesson.notebook.cells[0] if lesson.notebook.cells else None
    title = HEADING.match(first.source) if first and first.cell_type == "markdown" else None
    if not title or not title[2].endswith("?"):
        yield f"{lesson.name}: the first cell does not start with a title that asks a question"
    top = "\n".join(source for _, source in list(lesson.markdown)[:2]).lower()
    for phrase in ("you will be able to", "you need"):
        if phrase not in top:
            yield f"{lesson.name}: {phrase!r} is not said at the top"
    if not re.search(r"\d+ minutes|minutes\W+\d", top):
        yield f"{lesson.name}: the minutes it takes are not said at the top"
    headings = [text.lower() for _, _, text in lesson.headings]
    for closing in ("take away", "go further"):
        if not any(heading.startswith(closing) for heading in headings):
            yield f"{lesson.name}: no heading {closing!r}"
    targets = {target for _, target in lesson.links}
    for following in LESSONS[LESSONS.index(lesson.name) + 1 :][:1]:
        if (lesson.path.parent / following).exists() and following not in targets:
            yield f"{lesson.name}: no link to the next lesson, {following}"


def alternatives(lesson):
    """Images have an alternative text, and stored pictures a text that says the same."""
    for where, source in lesson.markdown:
        for alt, attributes in IMAGE.findall(CODE.sub("", source)):
            if not (alt.strip() or re.search(r"alt=\"[^\"]*\w", attributes)):
                yield f"{where}: an image without an alternative text"
    for where, output in lesson.outputs:
        data = output.get("data", {})
        said = data.get("text/plain", "")
        # A default repr, <Figure size 640x480 with 1 Axes>, says nothing about the picture.
        if any(kind.startswith("image/") for kind in data) and (
            re.fullmatch(r"<.*>", said, re.DOTALL) or len(said.split()) < 6
        ):
            yield f"{where}: a picture whose text says only {said!r}"


def cell_length(lesson):
    """Code cells are short: none above 22 lines, and few above 15."""
    long = 0
    for where, cell in lesson.code:
        lines = len(cell.source.splitlines())
        long += lines > LONG
        if lines > TOO_LONG:
            yield f"{where}: {lines} lines of code"
    if long * FEW > sum(1 for _ in lesson.code):
        yield f"{lesson.name}: {long} code cells have more than {LONG} lines"


CHECKS = (
    *(stored_form, nothing_volatile, own_ids, no_machine),
    *(executed, errors, markers, no_stderr),
    *(links, heading_order, shape, alternatives, cell_length),
)


def test_the_notebooks_are_lessons_of_the_course():
    assert {path.name for path in FOLDER.glob("*.ipynb")} <= set(LESSONS)


@pytest.mark.parametrize("name", [name for name in LESSONS if (FOLDER / name).exists()])
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_lesson(check, name):
    complaints = list(check(Lesson.read(FOLDER / name)))
    assert not complaints, "\n".join(complaints)


# Each check, on a notebook that it must refuse


def good():
    """A lesson that every check accepts."""
    notebook = new_notebook(metadata=METADATA)
    notebook.cells = [
        new_markdown_cell(
            "# Who closed it?\n\nYou will be able to tell. You need lesson 00. 20 minutes."
        ),
        new_markdown_cell("## Run it\n\n[Why](#Take-away), [the file](../README.md)"),
        new_code_cell(
            "picture",
            execution_count=1,
            outputs=[
                new_output(
                    "execute_result",
                    {
                        "image/png": "aGk=",
                        "text/plain": "Three requests, one connection, no failure.",
                    },
                    execution_count=1,
                )
            ],
        ),
        new_code_cell(
            "1 / 0",
            execution_count=2,
            metadata={"tags": [RAISES]},
            outputs=[
                new_output("error", ename="ZeroDivisionError", evalue="", traceback=["1 / 0"])
            ],
        ),
        *(new_code_cell(f"x = {n}", execution_count=n) for n in range(3, 8)),
        new_markdown_cell("## Take away\n\n## Go further\n\n[Next](01-the-symptom.ipynb)"),
    ]
    return notebook


@pytest.fixture
def first_lesson(tmp_path):
    """Write a notebook as lesson 00 of a course that also has a lesson 01, and read it."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "README.md").touch()
    nbformat.write(good(), tmp_path / "notebooks" / LESSONS[1])

    def write(notebook):
        path = tmp_path / "notebooks" / LESSONS[0]
        # Without nbformat.writes, which would mend some of what is broken here.
        path.write_text(nbformat.v4.writes(notebook) + "\n", encoding="utf-8")
        return Lesson.read(path)

    return write


def set_source(number, source):
    return lambda notebook: notebook.cells[number].update(source=source)


def add_to_source(number, text):
    return lambda notebook: notebook.cells[number].update(
        source=notebook.cells[number].source + text
    )


def set_metadata(number, **metadata):
    return lambda notebook: notebook.cells[number].metadata.update(metadata)


def set_outputs(number, *outputs):
    return lambda notebook: notebook.cells[number].update(outputs=list(outputs))


def data(**kinds):
    return new_output(
        "display_data", {kind.replace("_", "/"): text for kind, text in kinds.items()}
    )


def stream(name, text):
    return new_output("stream", name=name, text=text)


def path_below(*parts):
    """An absolute path, put together here so that this file holds none."""
    return "/".join(("", *parts))


BROKEN = [
    (
        stored_form,
        lambda notebook: notebook.cells[2].update(execution_count="1"),
        "not a valid notebook",
    ),
    (nothing_volatile, lambda n: n.metadata.language_info.update(version="3.12.1"), "metadata"),
    (nothing_volatile, lambda n: n.metadata.kernelspec.update(name="mine"), "metadata"),
    (nothing_volatile, lambda n: n.metadata.update(widgets={}), "metadata"),
    (nothing_volatile, set_metadata(2, execution={"iopub.status.busy": "2026"}), "cell 2"),
    (nothing_volatile, set_outputs(2, new_output("display_data", {WIDGET: {}})), "widget"),
    (own_ids, lambda notebook: notebook.cells[4].update(id=notebook.cells[3].id), "cell 4"),
    (no_machine, set_outputs(4, stream("stdout", path_below("home", "ada", "x"))), "cell 4"),
    (
        no_machine,
        set_outputs(4, stream("stdout", path_below("tmp", "ipykernel" + "_12", "3.py"))),
        "pyk",
    ),
    (no_machine, set_outputs(4, stream("stdout", "\\".join(("C:", "Users", "ada")))), "C:"),
    (
        no_machine,
        set_outputs(4, data(text_html="<i>site-packages" + "/httpx</i>")),
        "site-packages",
    ),
    (no_machine, set_outputs(4, data(text_plain="<coroutine at 0x7f8a12345678>")), "address"),
    (executed, lambda notebook: notebook.cells[4].update(execution_count=None), "cell 4"),
    (executed, lambda notebook: notebook.cells[2].update(execution_count=9), "cell 2"),
    (errors, set_outputs(3), "cell 3: tagged"),
    (errors, set_metadata(3, tags=[]), "cell 3: stores an error"),
    (markers, set_metadata(4, tags=["raise-exception"]), "unknown"),
    (markers, set_metadata(4, tags=["nbval-skip"]), "unknown"),
    (markers, set_metadata(1, tags=[IGNORED]), "unknown"),
    (markers, set_source(4, "# NBVAL_IGNORE_OUTPUT\nx"), "comment"),
    (markers, set_metadata(4, tags=[IGNORED]), "without a reason"),
    (
        markers,
        lambda n: [cell.metadata.update(tags=[IGNORED], reason="?") for cell in n.cells[4:8]],
        "4 code cells",
    ),
    (no_stderr, set_outputs(4, stream("stderr", "RuntimeWarning")), "cell 4"),
    (links, add_to_source(1, "[gone](12-more.ipynb)"), "leads nowhere"),
    (links, add_to_source(1, '<a href="../gone.md">gone</a>'), "leads nowhere"),
    (links, add_to_source(1, "[gone](#Run-them)"), "no such heading"),
    (links, add_to_source(1, "[gone](01-the-symptom.ipynb#Run-them)"), "no such heading"),
    (heading_order, add_to_source(1, "\n\n# Another title"), "one first-level"),
    (heading_order, set_source(0, "## Who closed it?"), "one first-level"),
    (heading_order, add_to_source(1, "\n\n#### Deep"), "level 4"),
    (shape, set_source(0, good().cells[0].source.replace("?", ".")), "asks a question"),
    (shape, set_source(0, "# Who?\n\nYou need lesson 00. 20 minutes."), "you will be able to"),
    (shape, set_source(0, "# Who?\n\nYou will be able to. 20 minutes."), "you need"),
    (shape, set_source(0, "# Who?\n\nYou will be able to. You need lesson 00."), "minutes"),
    (shape, set_source(-1, "## Go further\n\n[Next](01-the-symptom.ipynb)"), "take away"),
    (shape, set_source(-1, "## Take away\n\n[Next](01-the-symptom.ipynb)"), "go further"),
    (shape, set_source(-1, "## Take away\n\n## Go further"), "next lesson"),
    (alternatives, add_to_source(1, "![](pool.png)"), "cell 1"),
    (alternatives, add_to_source(1, '<img src="pool.png">'), "cell 1"),
    (alternatives, set_outputs(2, data(image_png="aGk=")), "cell 2"),
    (
        alternatives,
        set_outputs(2, data(image_png="aGk=", text_plain="<Figure size 640x480 with 1 Axes>")),
        "Figure",
    ),
    (cell_length, set_source(4, "\n".join(["x"] * (TOO_LONG + 1))), "23 lines"),
    (
        cell_length,
        lambda n: [cell.update(source="\n".join(["x"] * (LONG + 1))) for cell in n.cells[4:8]],
        "4 code cells",
    ),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_check_accepts_a_good_lesson(check, first_lesson):
    assert list(check(first_lesson(good()))) == []


@pytest.mark.filterwarnings("ignore::nbformat.warnings.DuplicateCellId")
@pytest.mark.parametrize(
    ("check", "change", "words"), BROKEN, ids=[f"{check.__name__}-{w}" for check, _, w in BROKEN]
)
def test_check_refuses_a_broken_lesson(check, change, words, first_lesson):
    notebook = good()
    change(notebook)
    complaints = list(check(first_lesson(notebook)))
    assert len(complaints) == 1, complaints
    assert LESSONS[0] in complaints[0]
    assert words in complaints[0]


def test_stored_form_refuses_a_file_written_otherwise(first_lesson):
    written = first_lesson(good())
    other = Lesson(written.path, written.text.replace("\n ", "\n  "))
    assert "not written as" in next(stored_form(other))


def test_every_check_is_tried_on_a_broken_lesson():
    assert {check for check, _, _ in BROKEN} == set(CHECKS)
