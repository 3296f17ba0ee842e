"""Right answers to exercise 08-1 in other styles than its solution's. `ex_08_1.py` has them."""

import asyncio
from contextlib import asynccontextmanager

import httpx


class Asks:
    """What they have in common, as in the starter."""

    async def __aenter__(self):
        return self

    async def of(self, city):
        response = await self.client.post(self.url + "/echo", json=city)
        return response.json()["json"]


class RemembersWhoseItIs(Asks):
    def __init__(self, url, client=None):
        self.url, self.own, self.client = url, client is None, client or httpx.AsyncClient()

    async def __aexit__(self, *exc_info):
        if self.own:
            await self.client.__aexit__(*exc_info)

    async def __aenter__(self):
        if self.own:
            await self.client.__aenter__()
        return self


class MakesItWhenAsked(Asks):
    def __init__(self, url, client=None):
        self.url = url
        self.lent, self.made = client, None

    async def __aexit__(self, *exc_info):
        if self.made is not None:
            made, self.made = self.made, None
            await made.aclose()

    async def of(self, city):
        if self.lent is None and self.made is None:
            self.made = httpx.AsyncClient(timeout=30)
        client = self.lent or self.made
        return (await client.post(f"{self.url}/echo", json=city)).raise_for_status().json()["json"]


class Slotted:
    __slots__ = ("client", "own", "url")

    def __init__(self, url, client=None):
        self.url, self.own, self.client = url, client is None, client or httpx.AsyncClient()

    __aenter__, of = Asks.__aenter__, Asks.of

    async def __aexit__(self, *exc_info):
        if self.own:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.client.aclose())


class GeneratesIt(Asks):
    def __init__(self, url, client=None):
        self.url = url
        self.opened = self._open(client)

    @asynccontextmanager
    async def _open(self, lent):
        if lent is not None:
            yield lent
        else:
            async with httpx.AsyncClient() as client:
                yield client

    async def __aenter__(self):
        self.client = await self.opened.__aenter__()
        return self

    async def __aexit__(self, *exc_info):
        return await self.opened.__aexit__(*exc_info)
