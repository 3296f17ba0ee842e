"""The table of protocols: what an expression gives, and what that can be used with."""

import warnings
from contextlib import asynccontextmanager

import pytest

from workbench.protocols import PROTOCOLS, protocol_table

pytestmark = pytest.mark.anyio


class Everything:
    def __await__(self):
        yield

    async def __aenter__(self): ...
    async def __aexit__(self, *exc_info): ...
    def __aiter__(self): ...
    def __enter__(self): ...
    def __exit__(self, *exc_info): ...


class HalfAManager:
    async def __aenter__(self): ...


@asynccontextmanager
async def managed():
    yield


async def coroutine_function():
    return 1


async def test_protocols_are_those_of_the_objects_type():
    on_the_object = HalfAManager()
    on_the_object.__aexit__ = on_the_object.__aenter__
    table = await protocol_table(
        ["everything", "half", "managed()", "1 + 1"],
        everything=Everything(),
        half=on_the_object,
        managed=managed,
    )
    assert table["everything"].can == set(PROTOCOLS)
    assert table["half"].can == set()
    assert table["managed()"].can == {"async with"}
    assert (table["1 + 1"].gives, table["1 + 1"].can) == ("int", set())
    assert table.that_can("async with") == ["everything", "managed()"]


async def test_a_coroutine_in_the_table_is_neither_run_nor_missed():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = await protocol_table(["call()", "await call()"], call=coroutine_function)
    assert [row.gives for row in table.rows.values()] == ["coroutine", "int"]


async def test_the_table_as_text_and_as_html():
    table = await protocol_table(
        ["'<b>' < name", "call()", "all"], name="x", call=coroutine_function, all=Everything()
    )
    assert repr(table).splitlines() == [
        "expression      use with                            gives",
        "`'<b>' < name`  -                                   bool",
        "`call()`        await                               coroutine",
        "`all`           await, async with, async for, with  Everything",
    ]
    assert "<code>'&lt;b&gt;' &lt; name</code>" in table._repr_html_()


async def test_what_the_table_refuses():
    with pytest.raises(SyntaxError):
        await protocol_table(["response = 1"])
    with pytest.raises(NameError):
        await protocol_table(["client.post(url)"])
    table = await protocol_table(["1"])
    with pytest.raises(KeyError, match="none of await, async with"):
        table.that_can("awaiting")
