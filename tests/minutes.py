"""Write the minutes that the notebooks take to read: into their heads, README's tables, lesson 00.

    python tests/minutes.py

The first figure of a head is worked out from the notebook's text (`lesson.py` has the rule), the
second, for the exercises, is its author's. README's rows and those of lesson 00's map repeat both.
A test goes red where a figure is another than this would write.
"""

import re
from pathlib import Path

import nbformat
from lesson import FOLDER, HEADING, MINUTES, Lesson, deeper, main_paths

README = FOLDER.parent / "README.md"
START = FOLDER / "00-start-here.ipynb"
ROW = re.compile(r"^\| \[([^\]]+)\]\(([^)]+)\) \| [^|]+ \| [^|]+ \| (.+) \|$", re.MULTILINE)
DEEPER = re.compile(r"(^\| deeper \| .+\n\|[-|]+\n)((?:\|.*\n)*)", re.MULTILINE)
ALL = re.compile(r"\d+ minutes to read and \d+ for\s+the exercises")


def figures(path):
    """(to read, for the exercises) of the notebook at path; the second is 0 where none are said."""
    lesson = Lesson.read(path)
    return lesson.minutes_by_the_rule, (lesson.minutes or (0, 0))[1]


def with_rows(text, folder):
    """The text with the figures of each row that links a lesson; links lead on from folder."""

    def row(match):
        name, target, question = match.groups()
        reading, exercises = figures(folder / target)
        return f"| [{name}]({target}) | {reading} | {exercises or '–'} | {question} |"

    return ROW.sub(row, text)


def with_deeper(text):
    """README's text with a row for each notebook that goes deeper."""
    rows = []
    for path in deeper():
        lesson = Lesson.read(path)
        name = lesson.path.stem.replace("-", " ")
        _, question = HEADING.findall(lesson.notebook.cells[0].source)[0]
        rows.append(f"| [{name}](notebooks/deeper/{path.name}) | 0 | 0 | {question} |\n")
    return DEEPER.sub(lambda match: match[1] + "".join(rows), text)


def with_all(text):
    """README's text with the sum of what the lessons take."""
    reading, exercises = map(sum, zip(*map(figures, main_paths()), strict=True))
    return ALL.sub(f"{reading} minutes to read and {exercises} for the exercises", text)


def readme(text):
    """README's text with every figure and row as the notebooks have it."""
    return with_rows(with_deeper(with_all(text)), README.parent)


def notebook(path):
    """The notebook's text with the first figure of its head, and the rows of a map it has."""
    lesson = Lesson.read(path)
    changed = lesson.notebook
    for cell in changed.cells:
        if cell.cell_type == "markdown":
            cell.source = with_rows(cell.source, path.parent)
    if said := MINUTES.search(changed.cells[0].source):
        head = said[0].replace(f" {said[1]} to read", f" {lesson.minutes_by_the_rule} to read")
        changed.cells[0].source = changed.cells[0].source.replace(said[0], head)
    return nbformat.writes(changed) + "\n"


def main():
    # Lesson 00 last: its map repeats what stands in the others.
    for path in (*deeper(), *reversed(main_paths())):
        write(path, notebook(path))
    write(README, readme(README.read_text(encoding="utf-8")))


def write(path: Path, text):
    if text != path.read_text(encoding="utf-8"):
        path.write_text(text, encoding="utf-8", newline="\n")
        print(f"{path.name}: written")


if __name__ == "__main__":
    main()
