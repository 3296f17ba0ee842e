"""What an error says, or a text from a log: the type and the text of each failure in it.

`diagnosis` calls it. It knows no row of the guide.
"""

import ast
import re
import traceback
from asyncio import CancelledError
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
# A line of asyncio's above the error of a task that nobody awaited.
OF_A_TASK = ("future: <", "task: <")
CANCELLED = "asyncio.exceptions.CancelledError"
ROOT = re.compile(r" from (?:[\w.]+\.)?(?P<name>\w*(?:Error|error))(?:[ (](?P<number>\d+)\b)?")


@dataclass(frozen=True)
class Said:
    """One failure, as far as it is known.

    kind: the name of its type, "httpx.ReadError"; without a module where that is not said. text:
        the exception's own; None where a line names the type alone.
    chain: the exceptions that it comes from: names of types, an `OSError` also with its number,
        "OSError 24". None where nothing is known of them.
    through: whether it passed through httpx or httpcore. None where that is not known.
    around: the line of a log that names it, with what asyncio says above of the task; empty for an
        exception.
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
        for one in _raised_from(error)
        for frame, _ in traceback.walk_tb(one.__traceback__)
    ]
    through = any(frame in LIBRARIES for frame in frames) if frames else None
    return Said(f"{module}.{name}", str(error), root_labels(error) or None, through)


def _raised_from(error: BaseException) -> Iterator[BaseException]:
    """Yield an exception and what it was raised from; a deadline's also from its cancellation.

    `anyio.fail_after` raises a `TimeoutError` as it handles the `CancelledError`, without `from`.
    """
    seen: set[int] = set()
    last: BaseException | None = error
    while last is not None and id(last) not in seen:
        yield last
        seen.add(id(last))
        cancelled = last.__context__ if isinstance(last.__context__, CancelledError) else None
        last = last.__cause__ or cancelled


def said_in(log: str) -> Iterator[list[list[Said]]]:
    """Yield what a text from a log may say, the likeliest first, each in the form of `said_by`.

    Of a traceback that is the exception at its end, and what that was raised from; of a group's
    each member; of other text whatever its lines mention, the last line first.
    """
    log = plain(log)
    last = log.rpartition(HANDLED)[2]
    if TRACEBACK in last or OF_PYTEST.search(last):
        yield _failures(log)
        return
    lines = last.split("\n")
    for line, above in zip(reversed(lines), reversed(["", *lines[:-1]]), strict=True):
        around = f"{above}\n{line}" if above.startswith(OF_A_TASK) else line
        yield [[said] for said in _mentions(line, around)]


def _failures(log: str) -> list[list[Said]]:
    """Return what a group's traceback says of each member; of another traceback its one failure."""
    *causes, end = log.rpartition(HANDLED)[2].split(CAUSED)
    if not MEMBER.search(end):
        return [_chain(log)]
    above, *members = MEMBER.split(LAST_RULE.split(end)[0])
    *causes, _ = _of_the_last([*causes, above])
    before = _chain(CAUSED.join(causes)) if causes else []
    return [[*_chain(MARGIN.sub("", member)), *before] for member in members]


def _chain(text: str) -> list[Said]:
    """Return the exception at the end of a text's last traceback, then what it was raised from."""
    handled, _, last = text.rpartition(HANDLED)
    pieces = last.split(CAUSED)
    if handled.rstrip("\n").rpartition("\n")[2].startswith(CANCELLED):
        pieces.insert(0, handled)  # a deadline: see _raised_from
    pieces = _of_the_last(pieces)
    found = []
    for end in range(len(pieces), 0, -1):
        # Where it passed through says its own traceback, not another one in the same log.
        own = "".join(piece.rpartition(TRACEBACK)[2] for piece in pieces[:end])
        found += _at_the_end(pieces[end - 1], through=bool(IN_LIBRARY.search(own)))
    return found


def _of_the_last(pieces: list[str]) -> list[str]:
    """Return those pieces of a log, one for each cause, that end in the last traceback.

    A piece with two tracebacks holds the end of one failure and the begin of the next.
    """
    begins = (n for n in range(len(pieces) - 1, 0, -1) if pieces[n].count(TRACEBACK) > 1)
    return pieces[next(begins, 0) :]


def _at_the_end(text: str, *, through: bool) -> list[Said]:
    """Return the exception at the end of a text's last traceback, and what its text mentions."""
    if (lines := OF_PYTEST.findall(text)) and TRACEBACK not in text:
        return [said for line in reversed(lines) for said in _mentions(line, line, whole=True)]
    above, _, own = text.rpartition(TRACEBACK)
    lines = own.strip("\n").split("\n")
    frames = [number for number, line in enumerate(lines) if line.startswith('  File "')]
    below = lines[frames[-1] :] if frames else lines
    end = next((line for line in below if line.strip() and not line[0].isspace()), "")
    since = above.rpartition(TRACEBACK)[2]  # an earlier traceback may be another task's
    tasks = [line for line in since.split("\n") if line.startswith(OF_A_TASK)]
    said = _mentions(end, "\n".join([*tasks, end]), whole=True, through=through)
    return said if said and end.startswith(said[0].kind) else []


def _mentions(
    line: str, around: str, *, whole: bool = False, through: bool | None = None
) -> list[Said]:
    """Return the exceptions that a line names, from left to right.

    whole: whether the line is Python's own, where a type without a text has an empty one.
    through: as in `Said`; a line by itself shows no path, so that nothing is known.
    """
    found = []
    for match in MENTION.finditer(line):
        kind = ".".join(filter(None, (match["module"], match["name"])))
        root = ROOT.search(match["line"] or "") or ROOT.match(line, match.end())
        found.append(Said(kind, _text(match, whole), _named(root), through, around))
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
