"""How a block may end badly, for the checks of 02-1, 02-3 and 08-1."""

import asyncio

import httpx


class Stumble(Exception):
    """What a check raises inside a block, as an error that is neither Python's nor httpx's."""


ERRORS = {
    "an exception": Stumble,
    "an exception of httpx": httpx.ReadError,
    "a cancellation": asyncio.CancelledError,
    "a ValueError": ValueError,
    "a KeyError": KeyError,
    "a TimeoutError": TimeoutError,
    "a RuntimeError": RuntimeError,
    "an interrupt": KeyboardInterrupt,
}
