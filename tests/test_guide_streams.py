"""diagnose: a body that is used twice or was not read, a generator that two tasks use."""

import asyncio
import traceback
from contextlib import aclosing

import httpx
import pytest
from diagnosed import failure, keys

DIGEST = 'WWW-Authenticate: Digest realm="a", nonce="b", algorithm=MD5, qop="auth"'


def in_all_forms(error):
    return [keys(form) for form in (error, repr(error), "".join(traceback.format_exception(error)))]


async def read_on(response):
    async for _ in response.aiter_bytes():
        break
    await response.aread()


async def text_behind(response):
    assert [piece async for piece in response.aiter_bytes()]
    return response.text


async def by_two_readers(response):
    async def read():
        return [piece async for piece in response.aiter_bytes()]

    await asyncio.gather(read(), read())


async def closed_first(response):
    await response.aclose()
    await response.aread()


async def not_read(response):
    return response.json()


@pytest.mark.parametrize(
    ("use", "row"),
    [
        (read_on, ["read twice", "sent twice"]),
        (by_two_readers, ["read twice", "sent twice"]),
        (text_behind, ["not read"]),
        (not_read, ["not read"]),
        (closed_first, ["stream ended"]),
    ],
)
async def test_a_streamed_answer_in_its_block(server, use, row):
    async with httpx.AsyncClient() as client:
        url = server.url + "/bytes?size=1000000"
        async with client.stream("GET", url) as response:
            assert in_all_forms(await failure(use(response))) == [row] * 3


async def test_a_body_that_was_begun_is_consumed_also_after_its_block(server):
    async with httpx.AsyncClient() as client:
        async with client.stream("GET", server.url + "/bytes?size=1000000") as response:
            async for _ in response.aiter_bytes():
                break
        assert keys(await failure(response.aread())) == ["read twice", "sent twice"]


async def test_a_body_that_was_read_whole_may_be_used_again(server):
    async with httpx.AsyncClient() as client:
        async with client.stream("GET", server.url + "/bytes?size=1000000") as response:
            whole = await response.aread()
            for _ in range(2):
                assert b"".join([piece async for piece in response.aiter_bytes()]) == whole
        assert response.content == whole


async def test_what_was_read_whole_is_no_more_to_be_had_raw(server):
    async with httpx.AsyncClient() as client:
        response = await client.get(server.url + "/echo")
        assert keys(await failure(anext(response.aiter_raw()))) == ["read twice", "sent twice"]


async def test_a_client_that_was_used_cannot_be_entered(server):
    client = httpx.AsyncClient()
    await client.get(server.url + "/echo")
    assert in_all_forms(await failure(client.__aenter__())) == [["opened twice"]] * 3
    await client.aclose()


async def test_bytes_are_one_piece_also_for_a_peer_that_reads_them_slowly():
    reads = []

    async def slowly(reader, writer):
        while piece := await reader.read(200_000):
            reads.append(len(piece))
            await asyncio.sleep(0.02)
        writer.close()

    peer = await asyncio.start_server(slowly, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{peer.sockets[0].getsockname()[1]}"
    limits = httpx.Timeout(30, write=1)
    async with peer, httpx.AsyncClient(timeout=limits) as client:
        error = await failure(client.post(url, content=bytes(40_000_000)))
        assert keys(error) == ["not reading"]
        assert len(reads) > 2


async def test_a_response_hook_runs_before_the_body_is_read(server):
    async def hook(response):
        return response.text

    async with httpx.AsyncClient(event_hooks={"response": [hook]}) as client:
        assert keys(await failure(client.get(server.url + "/echo"))) == ["not read"]


@pytest.mark.parametrize(
    "answer",
    [
        "307 Temporary Redirect\r\nLocation: /there",
        "308 Permanent Redirect\r\nLocation: /there",
        f"401 Unauthorized\r\n{DIGEST}",
    ],
    ids=["307", "308", "digest"],
)
@pytest.mark.parametrize("from_a_generator", [True, False])
async def test_a_request_that_goes_out_again(answer, from_a_generator):
    """Its body, if it is a generator, comes once; bytes are sent as often as it takes."""
    heads = []
    end = b"a report\r\n0\r\n\r\n" if from_a_generator else b"a report"

    async def serve(reader, writer):
        for reply in (answer, "200 OK"):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            try:
                await reader.readuntil(end)
            except asyncio.IncompleteReadError:
                break
            writer.write(f"HTTP/1.1 {reply}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    async def report():
        yield b"a report"

    upstream = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{upstream.sockets[0].getsockname()[1]}/"
    auth = httpx.DigestAuth("name", "password") if "Digest" in answer else None
    async with upstream, httpx.AsyncClient(follow_redirects=True, auth=auth) as client:
        body = report() if from_a_generator else b"a report"
        call = client.post(url, content=body)
        if from_a_generator:
            assert in_all_forms(await failure(call)) == [["read twice", "sent twice"]] * 3
        else:
            assert (await call).status_code == 200
    assert len(heads) == 2  # what failed has reached the server, without its body


async def pieces_of(client, url):
    async with client.stream("GET", url) as response:
        async for piece in response.aiter_bytes():
            yield piece


@pytest.mark.parametrize("use", ["aclose", "__anext__"])
async def test_a_generator_that_another_task_reads(server, use):
    async with httpx.AsyncClient() as client:
        pieces = pieces_of(client, server.url + "/faults/silence")
        reading = asyncio.create_task(anext(pieces))
        await asyncio.wait([reading], timeout=0.05)
        error = await failure(getattr(pieces, use)())
        assert in_all_forms(error) == [["generator busy"]] * 3
        # The cure of the row.
        reading.cancel()
        await asyncio.wait([reading])
        await pieces.aclose()


async def test_a_limit_that_cancels_the_reader_leaves_a_generator_that_can_be_closed(server):
    async with httpx.AsyncClient() as client:
        pieces = pieces_of(client, server.url + "/faults/silence")
        async with aclosing(pieces):
            error = await failure(asyncio.wait_for(anext(pieces), 0.05))
    assert keys(error) == ["own deadline"]


async def test_a_generator_that_two_tasks_close():
    async def slow_to_close():
        try:
            yield
        finally:
            await asyncio.sleep(0)

    pieces = slow_to_close()
    await anext(pieces)
    closing = await asyncio.gather(pieces.aclose(), pieces.aclose(), return_exceptions=True)
    [error] = filter(None, closing)
    assert in_all_forms(error) == [["generator busy"]] * 3


@pytest.mark.parametrize(
    "log",
    [
        "Task exception was never retrieved\nfuture: <Task finished name='Task-57' "
        "coro=<<async_generator_athrow without __name__>()> "
        "exception=RuntimeError('aclose(): asynchronous generator is already running')>\n"
        "RuntimeError: aclose(): asynchronous generator is already running",
        "an error occurred during closing of asynchronous generator "
        "<async_generator object pieces_of at 0x7ff1bda271d0>\n"
        "asyncgen: <async_generator object pieces_of at 0x7ff1bda271d0>\n"
        "RuntimeError: aclose(): asynchronous generator is already running",
    ],
    ids=["a task's", "the loop's"],
)
def test_asyncio_says_it_of_a_generator(log):
    assert keys(log) == ["generator busy"]


def test_other_generators_are_not_mine():
    def read_itself():
        yield next(itself)

    itself = read_itself()
    with pytest.raises(ValueError, match="already executing") as caught:
        next(itself)
    assert not keys(caught.value)
    assert not keys("RuntimeError: async generator raised StopAsyncIteration")
