"""An exercise's answer as a learner would type it into the cell that the lesson gives."""

import builtins
import inspect
import types

from workbench.checking.record import Exercise


def of_its_own(answer) -> bool:
    """Whether an answer needs nothing of its exercise's file but what a lesson can import.

    Nor a name of a function around it.
    """
    within = getattr(inspect.unwrap(answer), "__closure__", None)
    return not within and not any(
        line.startswith("from course.exercises") for line in imports(answer)
    )


def typed(exercise: Exercise, answer, given: str) -> str:
    """Return the source of a lesson's cell with an answer in the place of what is to be written.

    given: the cell's source as the lesson has it.
    """
    starter = exercise.shown(exercise.starter).strip()
    assert starter in given, f"{exercise.id}: the cell does not show the starter"
    needed = [line for line in imports(answer) if line not in given.splitlines()]
    return "\n".join([*needed, given.replace(starter, exercise.shown(answer).strip())])


def imports(answer) -> list[str]:
    """The lines above an answer that give it the names of its own file."""
    module = vars(inspect.getmodule(answer))
    names = sorted(names_of(answer) & module.keys() - vars(builtins).keys())
    return [line(name, module[name]) for name in names if name != answer.__name__]


def names_of(answer) -> set[str]:
    """The global names that a function, or the functions of a class, refer to."""
    functions = vars(answer).values() if inspect.isclass(answer) else [answer]
    codes = [f.__code__ for f in map(inspect.unwrap, functions) if hasattr(f, "__code__")]
    names = set()
    while codes:
        code = codes.pop()
        names |= set(code.co_names)
        codes += [inner for inner in code.co_consts if isinstance(inner, types.CodeType)]
    return names


def line(name: str, value) -> str:
    if inspect.ismodule(value):
        return f"import {value.__name__}" + (f" as {name}" if value.__name__ != name else "")
    if hasattr(value, "__module__") and hasattr(value, "__qualname__"):
        return f"from {value.__module__} import {name}"
    return f"{name} = {value!r}"
