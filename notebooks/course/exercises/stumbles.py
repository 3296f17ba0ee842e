"""How a block may end badly, for the checks of 02-1 and 02-3."""

import asyncio

import httpx


class Stumble(Exception):
    """What a check raises inside a block, as an error that is not httpx's."""


ERRORS = {
    "an exception": Stumble,
    "an exception of httpx": httpx.ReadError,
    "a cancellation": asyncio.CancelledError,
}
