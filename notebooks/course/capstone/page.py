"""The page that asks the service: one call, or the catalogue, and what came of it."""

import asyncio
import time

import httpx

from course.capstone.observed import Answer, Streamed
from course.capstone.schedule import Call

PATIENCE = 3.0  # seconds that a page waits for an answer


class Page:
    """Asks a service through `client`. ends: on `time.monotonic`, when all answers must be here."""

    def __init__(self, client: httpx.AsyncClient, ends: float) -> None:
        self.client = client
        self.ends = ends

    def patience(self) -> float:
        """Return how many seconds the page waits for the next answer."""
        return max(0.0, min(PATIENCE, self.ends - time.monotonic()))

    async def ask(self, call: Call) -> Answer:
        """Make a call and return what came of it."""
        began, patience = time.monotonic(), self.patience()
        status, right = None, False
        try:
            async with asyncio.timeout(patience):
                response = await self.client.request(call.method, call.path, json=call.body)
        except TimeoutError:
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
            async with asyncio.timeout(self.patience()):
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
