"""A log's text without what is around it: JSON, a terminal's colours, the prefix of each line.

`reading` calls it. It knows no exception.
"""

import json
import re
from collections.abc import Iterator

TRACEBACK = "Traceback (most recent call last):"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
FIRST_LINE = re.compile(rf"^(?P<prefix>.*?)(?:  \+ )?(?:Exception Group )?{re.escape(TRACEBACK)}$")
FRAME = re.compile(r'(?:  \| )?  File "')


def plain(log: str) -> str:
    """Return the text of a log as Python wrote it, as far as that can be told."""
    log = COLOUR.sub("", log.replace("\r\n", "\n"))
    lines = _without_prefix("\n".join(_without_json(log)).split("\n"))
    return "\n".join(lines)


def _without_json(log: str) -> Iterator[str]:
    """Yield the strings of JSON objects in their order, and all other lines as they are."""
    pieces = [log] if (whole := _objects(log)) is not None else log.split("\n")
    for piece in pieces:
        found = whole if whole is not None else _objects(piece)
        yield from [piece] if found is None else found


def _objects(text: str) -> list[str] | None:
    if not text.lstrip().startswith("{"):
        return None
    try:
        return list(_strings(json.loads(text)))
    except (ValueError, RecursionError):
        return None


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)


def _without_prefix(lines: list[str]) -> list[str]:
    """Remove what stands before each line of a traceback: a time, a container's name, a `> `."""
    for number, line in enumerate(lines[:-1]):
        if first := FIRST_LINE.match(line):
            prefix, following = first["prefix"], lines[number + 1]
            if prefix and FRAME.match(following[len(prefix) :]):
                return [_cut(each, prefix) for each in lines]
            break  # the members of a group have prefixes, too: they belong to it
    return lines


def _cut(line: str, prefix: str) -> str:
    """Remove the prefix, in which the digits may be others, if the line has it."""
    shape = re.sub(r"\d", "0", prefix)
    if re.sub(r"\d", "0", line[: len(prefix)]) == shape:
        return line[len(prefix) :]
    return "" if re.sub(r"\d", "0", line) == shape.rstrip() else line
