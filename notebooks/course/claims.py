"""The article's claims, and verdicts computed from what a cell has just seen."""

from collections.abc import Mapping
from dataclasses import dataclass

from workbench.table import Table

CLAIMS = {
    "C1": "create the client first, then `response = await client.post(...)`",
    "C2": "`async with client.post(...) as response` sometimes works and sometimes fails",
    "C3": "it raises `httpx.RemoteProtocolError: cannot write to closing transport`",
    "C4": "it raises `RuntimeError: Session is closed`",
    "C5": "`client.post()` returns a Response, which is no context manager",
    "C6": "the block closes the connection while the response is still being read",
    "C7": "under concurrency the connection pool's state becomes confused",
    "C8": "the client is the context manager",
    "C9": "fix 1: a client per call, for simple cases",
    "C10": "fix 2: one module-level client, reused",
    "C11": "close it with `aclose()` at shutdown",
    "C12": "fix 3: a FastAPI dependency that yields a client",
    "C13": "`async with` is only for the client's lifetime",
    "C14": "single-threaded and at low concurrency it happens to work",
    "C15": "`AsyncClient(timeout=30.0)` sets the timeout",
    "C16": "`httpx.Timeout(connect=5.0, read=30.0)`",
}


@dataclass(frozen=True)
class Verdict:
    """What a run says of one claim.

    `parts` are the statements that the claim stands for, each with whether the run bore it out.
    """

    claim: str
    parts: Mapping[str, bool]

    @property
    def answer(self) -> str:
        """`true` if every part held, `false` if none did, `half` otherwise."""
        held = set(self.parts.values())
        return {frozenset({True}): "true", frozenset({False}): "false"}.get(frozenset(held), "half")

    def __repr__(self) -> str:
        lines = [f"Verdict {self.claim}: {self.answer}", f"  the article: {CLAIMS[self.claim]}"]
        lines += [f"  {'yes' if held else 'no':>3}: {part}" for part, held in self.parts.items()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        rows = [["yes" if held else "no", part] for part, held in self.parts.items()]
        caption = f"Verdict {self.claim}: {self.answer}. The article: {CLAIMS[self.claim]}"
        return Table(("seen here", "part of the claim"), rows, caption).html()


def verdict(claim: str, parts: Mapping[str, bool]) -> Verdict:
    """Return the verdict on a claim, from its parts and whether the run bore each of them out.

    Raises `ValueError` for an unknown claim, for no parts, or for a part that is not a bool.
    """
    if claim not in CLAIMS:
        raise ValueError(f"unknown claim {claim!r}; there are {', '.join(CLAIMS)}")
    if not parts:
        raise ValueError("a verdict needs at least one part of the claim")
    for part, held in parts.items():
        if not isinstance(held, bool):
            raise ValueError(f"whether a part held is True or False, not {held!r}: {part}")
    return Verdict(claim, dict(parts))


def claims() -> Table:
    """Return the table of the article's claims."""
    return Table(("claim", "the article says"), list(map(list, CLAIMS.items())))
