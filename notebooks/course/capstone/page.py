"""The page that asks the service: one call, or the catalogue, and what came of it."""

import asyncio
import time

import httpx

from course.capstone.observed import Answer, Streamed
from course.capstone.schedule import Call

PATIENCE = 3.0  # seconds that a page waits for an answer
IN_VAIN = 9.0  # seconds that all pages together wait for answers that do not come


class Patience:
    """How long a page waits for an answer: less and less, when it has waited in vain."""

    def __init__(self) -> None:
        self.left = IN_VAIN
        self.until = 0.0  # what was waited before this is counted

    def now(self) -> float:
        """Return how many seconds the page waits for the next answer."""
        return max(0.0, min(PATIENCE, self.left))

    def in_vain(self, began: float) -> None:
        """Count the seconds since `began`, on `time.monotonic`; those of calls at once are one."""
        now = time.monotonic()
        self.left -= now - max(began, self.until)
        self.until = now


class Page:
    """Asks a service through `client`."""

    def __init__(self, client: httpx.AsyncClient, patience: Patience) -> None:
        self.client = client
        self.patience = patience

    async def ask(self, call: Call) -> Answer:
        """Make a call and return what came of it."""
        began, patience = time.monotonic(), self.patience.now()
        status, right = None, False
        try:
            async with asyncio.timeout(patience):
                response = await self.client.request(call.method, call.path, json=call.body)
        except TimeoutError:
            self.patience.in_vain(began)
            said = f"no answer within {patience:.0f} s" if patience else "the judge's time was up"
        except httpx.HTTPError as error:
            said = repr(error)
        else:
            status, said = response.status_code, response.text
            right = status == call.expected and (status >= 400 or _holds(response, call.facts))
            right |= status in call.tolerated
        return Answer(call, status, said, right, time.monotonic() - began)

    async def stream(self, begun: asyncio.Event | None = None, *, leave: bool = False) -> Streamed:
        """Get the catalogue. begun: set when a piece is here. leave: go away then."""
        started, seconds = time.monotonic(), None
        status, body, cut, endless, said = None, b"", True, False, ""
        try:
            async with asyncio.timeout(self.patience.now()):
                async with self.client.stream("GET", "/catalogue") as response:
                    status, seconds = response.status_code, time.monotonic() - started
                    async for piece in response.aiter_raw():
                        body += piece
                        if begun is not None:
                            begun.set()
                        if leave:
                            break
                    else:
                        cut = False
        except TimeoutError:
            self.patience.in_vain(started)
            endless, said = True, "it did not come to an end"
        except httpx.HTTPError as error:
            said = repr(error)
        if status is not None and status != 200:
            said = body.decode(errors="replace")
        waited = time.monotonic() - started if seconds is None else seconds
        return Streamed(status, body, cut, endless, said, waited)


def _holds(response: httpx.Response, facts: dict) -> bool:
    try:
        answer = response.json()
    except ValueError:
        return False
    return isinstance(answer, dict) and all(answer.get(key) == facts[key] for key in facts)
