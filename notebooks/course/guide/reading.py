"""What an error says, or a text from a log: the type and the text of each failure in it.

`diagnosis` calls it. It knows no row of the guide.
"""

import ast
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

from course.guide.plain import TRACEBACK, plain

LIBRARIES = ("httpx", "httpcore")
HANDLED = "\nDuring handling of the above exception, another exception occurred:\n"
CAUSED = "\nThe above exception was the direct cause of the following exception:\n"
IN_LIBRARY = re.compile(rf"[/\\](?:{'|'.join(LIBRARIES)})[/\\]")
# An exception's type as a log names it, and what comes next: `(` of its repr, `: ` and its text as
# in a traceback, or nothing. After `except` and `raise` it is code. A line may have several, since
# "ERROR: ReadTimeout('')" begins as an exception does.
MENTION = re.compile(
    r"(?<![\w.])(?<!except )(?<!raise )"
    r"(?:(?P<module>[A-Za-z_][\w.]*)\.)?(?P<name>[A-Z]\w*)"
    r"(?:\((?P<quoted>'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|)\)"
    r"|: (?=(?P<line>\S.*))|(?P<empty>:)\s*$|(?=\s*$| from ))",
    re.MULTILINE,
)
# The lines of a group's traceback: the margin, the rule above each member, the rule below the last.
MARGIN = re.compile(r"^ *[|+] ?", re.MULTILINE)
MEMBER = re.compile(r"^ *\+(?:-\+)?-{10,} (?:\d+|\.\.\.) -{10,}$", re.MULTILINE)
LAST_RULE = re.compile(r"^ *\+-{20,}$", re.MULTILINE)
OF_PYTEST = re.compile(r"^E {2,}(.*)$", re.MULTILINE)
ROOT = re.compile(r" from (?:[\w.]+\.)?(?P<name>\w*(?:Error|error))(?:[ (](?P<number>\d+)\b)?")


@dataclass(frozen=True)
class Said:
    """One failure, as far as it is known.

    kind: the name of its type, "httpx.ReadError"; without a module where that is not said. text:
        the exception's own; None where a line names the type alone.
    chain: the exceptions that it comes from: names of types, an `OSError` also with its number,
        "OSError 24". None where nothing is known of them.
    through: whether it passed through httpx or httpcore. None where that is not known.
    around: the whole log that it was read from; empty for an exception.
    """

    kind: str
    text: str | None
    chain: frozenset[str] | None = None
    through: bool | None = None
    around: str = ""

    @property
    def shown(self) -> str:
        """The failure as its repr would say it."""
        name = self.kind.rpartition(".")[2]
        if self.text is None:
            return name
        # Python's own says `TimeoutError()`; httpx's errors have a text, if an empty one.
        return f"{name}()" if name == "TimeoutError" and not self.text else f"{name}({self.text!r})"


def root_labels(error: BaseException) -> frozenset[str]:
    """Return the names of all that an exception comes from, as `Said.chain` has them."""
    return frozenset(label for before in comes_from(error) for label in _labels(before))


def comes_from(error: BaseException) -> Iterator[BaseException]:
    """Yield what an exception comes from, hidden links and the members of groups included."""
    seen, waiting = {id(error)}, [error]
    while waiting:
        last = waiting.pop()
        members = last.exceptions if isinstance(last, BaseExceptionGroup) else ()
        for before in (last.__cause__ or last.__context__, *members):
            if before is not None and id(before) not in seen:  # `raise error from error` is a ring
                seen.add(id(before))
                waiting.append(before)
                yield before


def _labels(error: BaseException) -> Iterator[str]:
    yield type(error).__name__
    if isinstance(error, OSError) and error.errno is not None:
        yield f"OSError {error.errno}"


def said_by(error: BaseException) -> list[list[Said]]:
    """Return the failures in an exception: for each, itself and then what it was raised from.

    A group holds several. What an exception was raised from counts where the code says so (`raise
    ... from`): what was only being handled at the time may have nothing to do with it.
    """
    found: list[Said] = []
    seen: set[int] = set()
    said = error
    while said is not None and id(said) not in seen:
        if isinstance(said, BaseExceptionGroup):
            members = [failure for member in said.exceptions for failure in said_by(member)]
            return [[*found, *failure] for failure in members]
        seen.add(id(said))
        found.append(_said(said))
        said = said.__cause__
    return [found]


def _said(error: BaseException) -> Said:
    module, name = type(error).__module__, type(error).__qualname__
    frames = [
        frame.f_globals.get("__name__", "").partition(".")[0]
        for one in (error, *comes_from(error))
        for frame, _ in traceback.walk_tb(one.__traceback__)
    ]
    through = any(frame in LIBRARIES for frame in frames) if frames else None
    return Said(f"{module}.{name}", str(error), root_labels(error) or None, through)


def said_in(log: str) -> Iterator[list[list[Said]]]:
    """Yield what a text from a log may say, the likeliest first, each in the form of `said_by`.

    Of a traceback that is the exception at its end, and what that was raised from; of a group's
    each member; of other text whatever its lines mention, the last line first.
    """
    log = plain(log)
    last = log.rpartition(HANDLED)[2]
    if TRACEBACK not in last and not OF_PYTEST.search(last):
        for line in reversed(last.split("\n")):
            yield [[said] for said in _mentions(line, log)]
        return
    pieces = last.split(CAUSED)
    yield [
        [*member, *(said for piece in reversed(pieces[:-1]) for said in _at_the_end(piece, log))]
        for member in _members(pieces[-1], log)
    ]


def _members(piece: str, log: str) -> list[list[Said]]:
    """Return what a group's traceback says of each member; of another traceback its one failure."""
    if not MEMBER.search(piece):
        return [_at_the_end(piece, log)]
    _, *members = MEMBER.split(LAST_RULE.split(piece)[0])
    found = []
    for member in members:
        pieces = MARGIN.sub("", member).rpartition(HANDLED)[2].split(CAUSED)
        found.append([said for one in reversed(pieces) for said in _at_the_end(one, log)])
    return found


def _at_the_end(text: str, log: str) -> list[Said]:
    """Return the exception at the end of a text's last traceback, and what its text mentions."""
    if (lines := OF_PYTEST.findall(text)) and TRACEBACK not in text:
        return [said for line in reversed(lines) for said in _mentions(line, log, whole=True)]
    lines = text.rpartition(TRACEBACK)[2].strip("\n").split("\n")
    frames = [number for number, line in enumerate(lines) if line.startswith('  File "')]
    below = lines[frames[-1] :] if frames else lines
    end = next((line for line in below if line.strip() and not line[0].isspace()), "")
    said = _mentions(end, log, whole=True)
    return said if said and end.startswith(said[0].kind) else []


def _mentions(line: str, log: str, *, whole: bool = False) -> list[Said]:
    """Return the exceptions that a line names, from left to right.

    whole: whether the line is Python's own, where a type without a text has an empty one.
    """
    # A line by itself shows no path: of where it passed through nothing is known.
    through = bool(IN_LIBRARY.search(log)) if TRACEBACK in log else None
    found = []
    for match in MENTION.finditer(line):
        kind = ".".join(filter(None, (match["module"], match["name"])))
        root = ROOT.search(match["line"] or "") or ROOT.match(line, match.end())
        found.append(Said(kind, _text(match, whole), _named(root), through, log))
    return found


def _text(match: re.Match, whole: bool) -> str | None:
    if match["line"]:
        return ROOT.split(match["line"])[0].rstrip()
    if not match["quoted"]:
        return "" if whole or match["empty"] or match["quoted"] is not None else None
    try:
        return ast.literal_eval(match["quoted"])
    except (SyntaxError, ValueError):  # a text that only looks like a repr
        return match["quoted"][1:-1]


def _named(root: re.Match | None) -> frozenset[str] | None:
    """Return the root that a log line names, `ConnectError('...') from OSError(24, ...)`."""
    if root is None or (root["name"] == "OSError" and not root["number"]):
        return None  # an OSError is anything
    return frozenset({root["name"], *([f"OSError {root['number']}"] if root["number"] else [])})
