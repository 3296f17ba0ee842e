"""What the guide is made of: faces, which stand in a log, and rows, the causes behind a face."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Read:
    """Where a row's failure stands that another notebook has made.

    notebook: its file, relative to the lessons' folder. says: the failure's words, as they stand in
    one of its stored outputs. ledger: words of its stored outputs on what the server received.
    show: the log's words by themselves, where `says` has more.
    """

    notebook: str
    says: str
    ledger: tuple[str, ...] = ()
    show: str = ""

    @property
    def shown(self) -> str:
        """What the guide shows as the log's words."""
        return self.show or self.says


@dataclass(frozen=True)
class Row:
    """One cause behind a face.

    key: its name in the code. answer: the answer to the face's question that points to it; empty
        where the face has no other row.
    cause, cure: sentences; `backticks` mark code.
    received: whether the server received the request that failed, in the run that made the row;
        None where what fails is no request, or where the run cannot tell.
    lessons: files of notebooks, relative to the lessons' folder.
    chain: exceptions of which one is in the chain of an error of this row and of no other row of
        the face: names of types, an `OSError` with its number. Empty where the chain has no say.
    around: a regular expression for words that stand in the error's text, or around it in a log,
        for this row and for no other of the face. Empty where there are none.
    read: where the failure was made, if not by lesson 12 itself.
    """

    key: str
    answer: str
    cause: str
    cure: str
    received: bool | None
    lessons: tuple[str, ...]
    chain: tuple[str, ...] = ()
    around: str = ""
    read: Read | None = None


@dataclass(frozen=True)
class Face:
    """What stands in a log, and the rows that it may be.

    kinds: names of exception types; those of httpx begin with "httpx.", others are Python's own.
        None for what raises nothing.
    says: a regular expression for the whole text of the exception, that of a `Client` included.
    ask: the question whose answer tells the rows apart, or tells that it is none of them.
    through: whether the traceback passes through httpx or httpcore, so that one which does not is
        another's. required: whether that has to be seen, since type and text say nothing.
    """

    kinds: tuple[str, ...]
    says: str
    ask: str
    rows: tuple[Row, ...]
    through: bool = True
    required: bool = False
