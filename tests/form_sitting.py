"""What makes a notebook one sitting: its length, its minutes, predictions that are not spoiled.

Generators of complaints, as in `form.py`.
"""

import ast
import io
import re
import tokenize

from lesson import MINUTES

MOST_CELLS, MOST_WORDS, MOST_LINES = 45, 1300, 190  # of a main path: 20 minutes, by the rule
SAYS = re.compile(r"The run says: (.+?)\.(?: It (?:held|did not hold)\.)?$")


def caps(lesson):
    """A main path fits into one sitting. What is deeper has no caps."""
    if lesson.is_deeper:
        return
    cells = len(lesson.notebook.cells)
    for count, most, what in (
        (cells, MOST_CELLS, "cells"),
        (lesson.words, MOST_WORDS, "words"),
        (lesson.lines, MOST_LINES, "lines of code"),
    ):
        if count > most:
            yield f"{lesson.name}: {count} {what}, {most} at most"


def minutes(lesson):
    """The head says the minutes to read, by the rule, and those for the exercises if it has any."""
    if lesson.minutes is None:
        yield (
            f"{lesson.name}: the first cell does not say "
            f"**Minutes:** {lesson.minutes_by_the_rule} to read, 12 for the exercises."
        )
        return
    reading, exercises = lesson.minutes
    if reading != lesson.minutes_by_the_rule:
        yield (
            f"{lesson.name}: {reading} minutes to read; by the rule "
            f"({lesson.words} words, {lesson.lines} lines) it is {lesson.minutes_by_the_rule}"
        )
    exercised = not lesson.is_deeper or any("check(" in cell.source for _, cell in lesson.code)
    if exercised and not exercises:
        yield f"{lesson.name}: no minutes for its exercises"
    if not exercised and "exercises" in MINUTES.search(lesson.notebook.cells[0].source)[0]:
        yield f"{lesson.name}: minutes for exercises, of which it has none"


def reached(lesson):
    """A lesson links each notebook that goes deeper at one place."""
    targets = [target.partition("#")[0] for _, target in lesson.links]
    for path in sorted((lesson.path.parent / "deeper").glob(f"{lesson.name[:2]}-*.ipynb")):
        if (count := targets.count(f"deeper/{path.name}")) != 1:
            yield f"{lesson.name}: {count} links to deeper/{path.name}, not one"


def predictions(lesson):
    """Each prediction is compared with what the run computes, and nothing before says the answer.

    `guess = predict(...)` is followed by `guess.compare({choice: condition, ...})`. No string or
    comment of the cells between is the answer that the stored output gives; in prose an answer of
    several words is looked for.
    """
    cells = lesson.notebook.cells
    for number, cell in enumerate(cells):
        for name in predicted(cell):
            where = f"{lesson.name}, cell {number}"
            later = ((n, comparison(cells[n], name)) for n in range(number, len(cells)))
            at, call = next(((n, call) for n, call in later if call), (None, None))
            if name is None or call is None:
                yield f"{where}: a prediction that no later cell compares"
                continue
            where = f"{lesson.name}, cell {at}"
            if not computed(call):
                yield f"{where}: {name}.compare() takes a mapping from each choice to a condition"
            if not (answer := answered(cells[at])):
                yield f"{where}: the comparison stores no answer of the run"
                continue
            for between in range(number + 1, at):
                if spelled(cells[between], answer):
                    yield f"{lesson.name}, cell {between}: says the answer {answer!r} before"


def parsed(cell):
    """The tree of a code cell; that of an empty one for other cells."""
    source = cell.source if cell.cell_type == "code" else ""
    code = re.sub(r"^[%!].*", "", source, flags=re.MULTILINE)
    flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return compile(code, "cell", "exec", flags)


def predicted(cell):
    """The name that each `predict(...)` of the cell is kept under; None where under none."""
    for statement in parsed(cell).body:
        value = getattr(statement, "value", None)
        if isinstance(value, ast.Call) and getattr(value.func, "id", "") == "predict":
            targets = getattr(statement, "targets", [None])
            yield getattr(targets[0], "id", None)


def comparison(cell, name):
    """The call of `name.compare` in the cell, or None."""
    for node in ast.walk(parsed(cell)):
        function = getattr(node, "func", None)
        if getattr(function, "attr", "") == "compare" and getattr(function.value, "id", "") == name:
            return node
    return None


def computed(call):
    """Whether a comparison is given a mapping whose values are worked out."""
    given = call.args[0] if call.args else None
    if isinstance(given, ast.Dict):
        return not any(isinstance(value, ast.Constant) for value in given.values)
    return isinstance(given, ast.DictComp)


def answered(cell):
    """The run's answer in the stored output of a comparison, or None."""
    for output in cell.outputs:
        text = output.get("data", {}).get("text/plain", "") or output.get("text", "")
        if found := SAYS.search(text.strip()):
            return found[1]
    return None


def spelled(cell, answer):
    """Whether a cell gives the answer away."""
    if cell.cell_type != "code":
        return " " in answer and answer.lower() in cell.source.lower()
    tokens = tokenize.generate_tokens(io.StringIO(cell.source).readline)
    texts = [t.string for t in tokens if t.type in (tokenize.STRING, tokenize.COMMENT)]
    return any(re.search(rf"(?<!\w){re.escape(answer)}(?!\w)", text) for text in texts)


def imports(lesson):
    """Each name is imported for the code, or because the text tells the learner to call it."""
    imported, used = {}, set()
    for where, cell in lesson.code:
        for node in ast.walk(parsed(cell)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for alias in node.names:
                    imported.setdefault((alias.asname or alias.name).partition(".")[0], where)
            elif isinstance(node, ast.Name):
                used.add(node.id)
    said = "\n".join(cell.source for cell in lesson.notebook.cells if cell.cell_type == "markdown")
    for name in sorted(set(imported) - used):
        if f"`{name}(" not in said:
            yield f"{imported[name]}: {name} is imported, never used, and no text says to call it"


def server_stays(lesson):
    """The last code cell stops no server: whoever goes on after "Run All" still has it."""
    for where, cell in list(lesson.code)[-1:]:
        for node in ast.walk(parsed(cell)):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "stop":
                yield f"{where}: {ast.unparse(node)} takes the server away from whoever goes on"


SITTING = (caps, minutes, reached, predictions, imports, server_stays)
