"""Ownership: an object closes the client that it has made, and leaves alone one that was lent."""

import asyncio
from contextlib import AsyncExitStack

import httpx

from course.exercises.forecasts_right import (
    GeneratesIt,
    MakesItWhenAsked,
    RemembersWhoseItIs,
    Slotted,
)
from course.exercises.ownership import check
from workbench.checking.record import Exercise, WrongAnswer


class Forecasts:
    """Forecasts, over the caller's open `client` or, without one, its own for the block."""

    def __init__(self, url, client=None):
        self.url = url
        self.client = client or httpx.AsyncClient()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *exc_info):
        await self.client.aclose()

    async def of(self, city):
        response = await self.client.post(self.url + "/echo", json=city)
        return response.json()["json"]


class Solution:
    """Forecasts, over the caller's open `client` or, without one, its own for the block."""

    def __init__(self, url, client=None):
        self.url = url
        self.client = client
        self.exits = AsyncExitStack()

    async def __aenter__(self):
        if self.client is None:
            self.client = await self.exits.enter_async_context(httpx.AsyncClient())
        return self

    async def __aexit__(self, *exc_info):
        await self.exits.__aexit__(*exc_info)

    async def of(self, city):
        response = await self.client.post(self.url + "/echo", json=city)
        return response.json()["json"]


class Told(Forecasts):
    """What those below have in common: they know whether the client is their own."""

    def __init__(self, url, client=None):
        self.url = url
        self.own = client is None
        self.client = client or httpx.AsyncClient()

    async def __aexit__(self, *exc_info):
        if self.own:
            await self.client.aclose()


class EntersWhatItWasLent(Forecasts):
    async def __aenter__(self):
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *exc_info):
        await self.client.__aexit__(*exc_info)


class ClosesNothing(Forecasts):
    async def __aexit__(self, *exc_info):
        pass


class DropsIt(Told):
    async def __aexit__(self, *exc_info):
        if self.own:
            del self.client


class HasItsOwnBeside(Forecasts):
    def __init__(self, url, client=None):
        super().__init__(url)


class MakesOneInAnyCase(Told):
    def __init__(self, url, client=None):
        super().__init__(url, client)
        self.own_client = httpx.AsyncClient()
        self.client = client or self.own_client


def closing_after(name, *kinds):
    """Return a class that closes its client after a success, and after exceptions of these."""

    class Closes(Told):
        async def __aexit__(self, exc_type, exc, traceback):
            if self.own and (exc is None or isinstance(exc, kinds)):
                await self.client.aclose()

    Closes.__name__ = name
    return Closes


ClosesAfterSuccessOnly = closing_after("ClosesAfterSuccessOnly")
ClosesUnlessCancelled = closing_after("ClosesUnlessCancelled", Exception)
ClosesUnlessInterrupted = closing_after(
    "ClosesUnlessInterrupted", Exception, asyncio.CancelledError
)
ClosesUnlessAGeneratorEnds = closing_after(
    "ClosesUnlessAGeneratorEnds", Exception, asyncio.CancelledError, KeyboardInterrupt, SystemExit
)


class ClosesInATask(Told):
    async def __aexit__(self, *exc_info):
        if self.own:
            self.closing = asyncio.create_task(self.client.aclose())


class ClosesItSoon(Told):
    async def __aexit__(self, *exc_info):
        if self.own:
            loop = asyncio.get_running_loop()
            loop.call_soon(lambda: loop.create_task(self.client.aclose()))


class HasOneForEachCall(Forecasts):
    def __init__(self, url, client=None):
        self.url = url
        self.client = client

    async def __aexit__(self, *exc_info):
        pass

    async def of(self, city):
        if self.client:
            return await super().of(city)
        async with httpx.AsyncClient() as client:
            return await Forecasts(self.url, client).of(city)


class SharesItsOwn(Told):
    shared = []  # noqa: RUF012

    def __init__(self, url, client=None):
        self.url, self.own = url, client is None
        if self.own and (not self.shared or self.shared[-1].is_closed):
            self.shared.append(httpx.AsyncClient())
        self.client = client or self.shared[-1]


def swallowing(name, which):
    """Return a class that swallows what is raised where `which(it, exc)` says so."""

    class Swallows(Told):
        async def __aexit__(self, exc_type, exc, traceback):
            await super().__aexit__()
            return which(self, exc)

    Swallows.__name__ = name
    return Swallows


SwallowsWhatIsRaised = swallowing("SwallowsWhatIsRaised", lambda _, exc: True)
SwallowsWhereItIsLent = swallowing("SwallowsWhereItIsLent", lambda it, exc: not it.own)
SwallowsWhatIsHttpxs = swallowing("SwallowsHttpx", lambda _, exc: isinstance(exc, httpx.HTTPError))
SwallowsValueErrors = swallowing("SwallowsValueErrors", lambda _, exc: isinstance(exc, ValueError))
SwallowsAKeyErrorWhereItIsLent = swallowing(
    "SwallowsAKeyErrorWhereItIsLent", lambda it, exc: isinstance(exc, KeyError) and not it.own
)


class HidesThatAQuestionFailed(Told):
    async def of(self, city):
        try:
            return await super().of(city)
        except httpx.HTTPError:
            return None


class ReturnsWhatItAsked(Told):
    async def of(self, city):
        await super().of(city)
        return city


class AsksAgain(Told):
    async def of(self, city):
        try:
            return await super().of(city)
        except httpx.ReadError:
            return await super().of(city)


class ClosesWhatItWasLent(Forecasts):
    async def __aexit__(self, *exc_info):
        async with AsyncExitStack() as exits:
            exits.push_async_callback(self.client.aclose)


class ClosesWhatItWasLentAfterAnError(Told):
    async def __aexit__(self, exc_type, exc, traceback):
        if self.own or exc:
            await self.client.aclose()


class ChangesWhatItWasLent(Told):
    async def __aenter__(self):
        self.client.base_url = self.url
        return self


class AddsACookie(Told):
    async def __aenter__(self):
        self.client.cookies.set("session", "forecasts")
        return self


class AddsAHook(Told):
    async def __aenter__(self):
        self.client.event_hooks["response"].append(self._raise)
        return self

    async def _raise(self, response):
        response.raise_for_status()


class AsksNothing(ClosesNothing):
    async def of(self, city):
        return city


class AsksSynchronously(Told):
    async def of(self, city):
        with httpx.Client() as client:
            return client.post(self.url + "/echo", json=city).json()["json"]


class SetsItsLimitsMeanwhile(Told):
    async def of(self, city):
        limits, self.client.timeout = self.client.timeout, 3
        try:
            return await super().of(city)
        finally:
            self.client.timeout = limits


class ClosesWhatWasAsked(Told):
    async def of(self, city):
        self.asked = True
        return await super().of(city)

    async def __aexit__(self, *exc_info):
        if self.own and hasattr(self, "asked"):
            await self.client.aclose()


class ClosesWhatHasCookies(Told):
    async def __aexit__(self, *exc_info):
        if self.own or self.client.cookies:
            await self.client.aclose()


class KnowsTheCity(Told):
    async def of(self, city):
        response = await self.client.post(self.url + "/echo", json=city)
        return response.json()["json"] if response.is_success else city


class ChecksNoCertificate(Told):
    def __init__(self, url, client=None):
        super().__init__(url, client or httpx.AsyncClient(verify=False))
        self.own = client is None


EXERCISE = Exercise(
    id="08-1",
    title="Whose client is it?",
    task="`Forecasts` takes a client of the caller, or has one of its own. Repair it: what belongs "
    "to it, it closes; what belongs to the caller, it leaves as it is. It stays a class.",
    starter=Forecasts,
    hints=[
        "Two cases. In which of them may `__aexit__` close the client?",
        "Find out in `__init__` or in `__aenter__` whether a client was given, and keep that.",
        "An `AsyncExitStack` can be empty. Enter a client into it only if you have made that "
        "client, and leave the stack in `__aexit__` in any case.",
    ],
    wrong=[
        WrongAnswer(EntersWhatItWasLent, "Entering is the owner's part"),
        WrongAnswer(ClosesNothing, "Nobody else knows of that client"),
        WrongAnswer(DropsIt, "It has let go of its client"),
        WrongAnswer(HasItsOwnBeside, "was not used"),
        WrongAnswer(MakesOneInAnyCase, "It made 2 clients, and closed 1"),
        WrongAnswer(ClosesAfterSuccessOnly, "`Stumble` in the block, and its client"),
        WrongAnswer(ClosesUnlessCancelled, "`CancelledError` in the block, and its client"),
        WrongAnswer(ClosesInATask, "a task still ran that nobody waited for"),
        WrongAnswer(ClosesItSoon, "some turns of the event loop later"),
        WrongAnswer(HasOneForEachCall, "A client for each call"),
        WrongAnswer(SharesItsOwn, "with its client the other's was closed"),
        WrongAnswer(SwallowsWhatIsRaised, "`Stumble` was raised in it, without a client"),
        WrongAnswer(SwallowsWhereItIsLent, "`Stumble` was raised in it, with a client"),
        WrongAnswer(SwallowsWhatIsHttpxs, "`ReadError` was raised in it, without"),
        WrongAnswer(SwallowsValueErrors, "`ValueError` was raised in it, without"),
        WrongAnswer(SwallowsAKeyErrorWhereItIsLent, "`KeyError` was raised in it, with a"),
        WrongAnswer(ClosesUnlessInterrupted, "`KeyboardInterrupt` in the block, and its client"),
        WrongAnswer(ClosesUnlessAGeneratorEnds, "`GeneratorExit` in the block, and its client"),
        WrongAnswer(SetsItsLimitsMeanwhile, "the lent client had other `timeout`"),
        WrongAnswer(ClosesWhatWasAsked, "in which no question was asked"),
        WrongAnswer(ClosesWhatHasCookies, "with cookies and other settings of its owner's"),
        WrongAnswer(KnowsTheCity, 'The server answered 503 and "hail"'),
        WrongAnswer(ChecksNoCertificate, "This client trusts any certificate"),
        WrongAnswer(HidesThatAQuestionFailed, "and `of` returned `None`"),
        WrongAnswer(ReturnsWhatItAsked, 'answered "rain" on Bonn, and `of` returned'),
        WrongAnswer(AsksAgain, "and it was sent 2 times"),
        WrongAnswer(ClosesWhatItWasLent, "was lent, after the block"),
        WrongAnswer(ClosesWhatItWasLentAfterAnError, "after a block that ended with `Stumble`"),
        WrongAnswer(ChangesWhatItWasLent, "came back with other `base_url`"),
        WrongAnswer(AddsACookie, "came back with other `cookies`"),
        WrongAnswer(AddsAHook, "came back with other `event_hooks`"),
        WrongAnswer(AsksNothing, "No request was made"),
        WrongAnswer(AsksSynchronously, "Your code stopped it"),
    ],
    right=[RemembersWhoseItIs, MakesItWhenAsked, Slotted, GeneratesIt],
    solution=Solution,
    why="Whoever makes a client closes it. The stack holds the client that your class has made, "
    "and nothing if it was given one.",
    check=check,
)
