"""The form of a notebook: what nbval passes over, and the shape that each has.

nbval accepts a cell that was never run or no longer raises; a reader meets it all the same. Each
check below is a generator of complaints about one notebook. `test_notebooks_form.py` applies them,
`test_form_checks.py` tries each on a notebook made to break it. What makes a lesson one sitting is
in `form_sitting.py`.
"""

import json
import re

import nbformat
from lesson import CODE, HEADING, Lesson
from store import BLANK, CELL_METADATA, HIDDEN, METADATA, WIDGET, is_question

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
IMAGE = re.compile(r"!\[([^\]]*)\]\(|<img\s([^>]*)>")


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


def hidden(lesson):
    """Stored outputs are hidden until the cell is run, all but the question of a prediction."""
    for where, cell in lesson.code:
        expected = None if all(map(is_question, cell.outputs)) else HIDDEN
        if (found := cell.metadata.get("jupyter")) != expected:
            yield f"{where}: the metadata 'jupyter' are {found}, not {expected}"
        elif found and cell.outputs[0] != BLANK:
            yield f"{where}: its first output shows through; tests/store.py puts a blank one there"


def no_stderr(lesson):
    """Nothing is stored from stderr: warnings name a temporary file and never compare equal."""
    for where, output in lesson.outputs:
        if output.get("name") == "stderr":
            yield f"{where}: stderr is stored: {output.text[:60]!r}"


# The reader


def links(lesson):
    """Relative links lead to files that are there, and #fragments to a heading.

    The files lie below the lessons' folder: `jupyter lab notebooks/00-….ipynb` shows nothing above.
    """
    top = (lesson.path.parent.parent if lesson.is_deeper else lesson.path.parent).resolve()
    for where, target in lesson.links:
        path, _, fragment = target.partition("#")
        there = lesson.path.parent / path if path else lesson.path
        if not there.exists():
            yield f"{where}: {target} leads nowhere"
        elif not there.resolve().is_relative_to(top):
            yield f"{where}: {target} leads out of the folder that JupyterLab shows"
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
    """The shape: question, goals and needs; take away, go further, where to go on."""
    first = lesson.notebook.cells[0] if lesson.notebook.cells else None
    title = HEADING.match(first.source) if first and first.cell_type == "markdown" else None
    if not title or not title[2].endswith("?"):
        yield f"{lesson.name}: the first cell does not start with a title that asks a question"
    top = "\n".join(source for _, source in list(lesson.markdown)[:2]).lower()
    for phrase in ("you will be able to", "you need"):
        if phrase not in top:
            yield f"{lesson.name}: {phrase!r} is not said at the top"
    headings = [text.lower() for _, _, text in lesson.headings]
    for closing in ("take away", "go further"):
        if not any(heading.startswith(closing) for heading in headings):
            yield f"{lesson.name}: no heading {closing!r}"
    targets = {target for _, target in lesson.links}
    if lesson.is_deeper:
        back = {f"../{path.name}" for path in siblings(lesson) if path.name[:2] == lesson.name[:2]}
        if not back & targets:
            yield f"{lesson.name}: no link back to its lesson"
    else:
        later = [path.name for path in siblings(lesson) if path.name > lesson.name]
        if later and later[0] not in targets:
            yield f"{lesson.name}: no link to the next lesson, {later[0]}"


def siblings(lesson):
    """The files of the lessons of the course that this notebook belongs to."""
    folder = lesson.path.parent.parent if lesson.is_deeper else lesson.path.parent
    return sorted(folder.glob("[0-9]*.ipynb"))


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
    *(executed, errors, markers, hidden, no_stderr),
    *(links, heading_order, shape, alternatives, cell_length),
)
