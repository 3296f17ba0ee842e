"""What an error says, or a text from a log: the type and the text of each failure in it.

`diagnosis` calls it. It knows no row of the guide.
"""

import ast
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass

LIBRARIES = ("httpx", "httpcore")
HANDLED = "\nDuring handling of the above exception, another exception occurred:\n"
CAUSED = "\nThe above exception was the direct cause of the following exception:\n"
TRACEBACK = "Traceback (most recent call last):"
IN_LIBRARY = re.compile(rf"[/\\](?:{'|'.join(LIBRARIES)})[/\\]")
# An exception's type as a log names it, and what comes next: `(` of its repr, `: ` and its text as
# in a traceback, or nothing where the text is empty.
MENTION = re.compile(
    r"(?<![\w.])(?:(?P<module>[A-Za-z_][\w.]*)\.)?(?P<name>[A-Z]\w*)"
    r"(?:\((?P<quoted>'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|)\)"
    r"|: (?P<line>\S.*)|(?=:?\s*$| from ))",
    re.MULTILINE,
)
ROOT = re.compile(r" from (?:[\w.]+\.)?(?P<name>\w*(?:Error|error))(?:[ (](?P<number>\d+)\b)?")


@dataclass(frozen=True)
class Said:
    """One failure, as far as it is known.

    kind: the name of its type, "httpx.ReadError"; without a module where that is not said. text:
    the exception's own.
    chain: the exceptions that it comes from: names of types, an `OSError` also with its number,
        "OSError 24". None where nothing is known of them.
    through: whether it passed through httpx or httpcore. None where that is not known.
    around: the whole log that it was read from; empty for an exception.
    """

    kind: str
    text: str
    chain: frozenset[str] | None = None
    through: bool | None = None
    around: str = ""

    @property
    def shown(self) -> str:
        """The failure as its repr would say it."""
        name = self.kind.rpartition(".")[2]
        # Python's own says `TimeoutError()`; httpx's errors have a text, if an empty one.
        return f"{name}()" if name == "TimeoutError" and not self.text else f"{name}({self.text!r})"


def root_labels(error: BaseException) -> frozenset[str]:
    """Return the names of all that an exception comes from, as `Said.chain` has them."""
    return frozenset(label for before in comes_from(error) for label in _labels(before))


def comes_from(error: BaseException) -> Iterator[BaseException]:
    """Yield what an exception comes from, hidden links and the members of groups included."""
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for before in (error.__cause__ or error.__context__, *members):
        if before is not None:
            yield before
            yield from comes_from(before)


def _labels(error: BaseException) -> Iterator[str]:
    yield type(error).__name__
    if isinstance(error, OSError) and error.errno is not None:
        yield f"OSError {error.errno}"


def said_by(error: BaseException) -> list[list[Said]]:
    """Return the failures in an exception: for each, itself and then what it was raised from.

    A group holds several. What an exception was raised from counts where the code says so (`raise
    ... from`): what was only being handled at the time may have nothing to do with it.
    """
    if isinstance(error, BaseExceptionGroup):
        return [found for member in error.exceptions for found in said_by(member)]
    found, said = [], error
    while said is not None:
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


def said_in(log: str) -> list[list[Said]]:
    """Return the failures in a text from a log, in the form of `said_by`, the likeliest first.

    Of a traceback that is the exception at its end, and what that was raised from; of other text
    whatever it mentions, the last mention first.
    """
    pieces = log.rpartition(HANDLED)[2].split(CAUSED)
    found = []
    for piece in reversed(pieces):
        mentions = _mentions(piece, log)
        if TRACEBACK not in piece:
            found += reversed(mentions)
        elif end := _end_of_traceback(piece):
            found += [said for said in _mentions(end, log) if end.startswith(said.kind)][:1]
    return [found]


def _end_of_traceback(text: str) -> str:
    """Return the lines below the last frame of a text's last traceback: the exception itself."""
    lines = text.rpartition(TRACEBACK)[2].splitlines()
    indented = [number for number, line in enumerate(lines) if line[:1].isspace()]
    return "\n".join(lines[indented[-1] + 1 if indented else 0 :]).strip()


def _mentions(text: str, log: str) -> list[Said]:
    # A line by itself shows no path: of where it passed through nothing is known.
    through = bool(IN_LIBRARY.search(log)) if TRACEBACK in log else None
    found = []
    for match in MENTION.finditer(text):
        kind = ".".join(filter(None, (match["module"], match["name"])))
        root = ROOT.search(match[0]) or ROOT.match(text, match.end())
        words = ROOT.split(match["line"] or "")[0].rstrip()
        if match["quoted"]:
            words = ast.literal_eval(match["quoted"])
        found.append(Said(kind, words, _named(root), through, log))
    return found


def _named(root: re.Match | None) -> frozenset[str] | None:
    """Return the root that a log line names, `ConnectError('...') from OSError(24, ...)`."""
    if root is None or (root["name"] == "OSError" and not root["number"]):
        return None  # an OSError is anything
    return frozenset({root["name"], *([f"OSError {root['number']}"] if root["number"] else [])})
