"""Several trials at once: each keeps its own tally."""

import asyncio

import pytest

from workbench.beside import side_by_side


@pytest.mark.anyio
async def test_each_trial_has_its_own_tally():
    async def works():
        return 1

    async def fails():
        raise ValueError("no")

    tallies = await side_by_side({"works": works, 7: fails}, 5)
    assert list(tallies) == ["works", 7]
    assert tallies["works"].counts == {"OK": 5}
    assert tallies[7].counts == {"ValueError: no": 5}


@pytest.mark.anyio
async def test_all_run_at_the_same_time():
    started = []
    go_on = asyncio.Event()

    async def waits():
        started.append(1)
        if len(started) == 6:
            go_on.set()
        await go_on.wait()

    async with asyncio.timeout(5):
        await side_by_side({"a": waits, "b": waits}, 3)


@pytest.mark.anyio
@pytest.mark.parametrize(("names", "n"), [([], 3), (["a"], 0), (["a"], -1)])
async def test_what_it_refuses(names, n):
    async def works():
        return 1

    with pytest.raises(ValueError, match="between 1 and"):
        await side_by_side(dict.fromkeys(names, works), n)
