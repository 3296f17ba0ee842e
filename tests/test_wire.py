"""Ports that fail, against httpx."""

import socket
import sys

import httpx
import pytest

from server import wire

pytestmark = pytest.mark.anyio


async def post(url, body, **timeouts):
    timeout = httpx.Timeout(20, **timeouts)
    async with httpx.AsyncClient(timeout=timeout, verify=False) as client:
        return await client.post(url, content=body)


async def test_refused_port():
    with wire.refused() as port:
        with pytest.raises(httpx.ConnectError) as caught:
            await post(port.url, b"")
        assert str(caught.value) == "All connection attempts failed"
        with socket.socket() as other, pytest.raises(OSError, match="use"):
            # Nobody else can take the port.
            other.bind(("127.0.0.1", port.port))


async def test_silent_listener_never_answers():
    with wire.SilentListener() as silent:
        with pytest.raises(httpx.ReadTimeout) as caught:
            await post(silent.url, b"small", read=0.2)
        assert str(caught.value) == ""


async def test_silent_listener_never_reads():
    with wire.SilentListener() as silent:
        with pytest.raises(httpx.WriteTimeout) as caught:
            await post(silent.url, bytes(20_000_000), write=0.3)
        assert str(caught.value) == ""


@pytest.mark.skipif(sys.platform != "linux", reason="the accept queue is Linux's")
async def test_full_queue():
    with wire.FullQueue() as full:
        for _ in range(3):
            with pytest.raises(httpx.ConnectTimeout) as caught:
                await post(full.url, b"", connect=0.2)
            assert str(caught.value) == ""


def test_full_queue_elsewhere_says_so(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(NotImplementedError, match="Linux only, not on darwin"), wire.FullQueue():
        pass


@pytest.mark.parametrize("make", [wire.refused, wire.SilentListener, wire.FullQueue])
def test_endpoint_has_an_address_inside_its_block_only(make):
    endpoint = make()
    with pytest.raises(RuntimeError, match="only inside its with block"):
        _ = endpoint.url
    for _ in range(2):
        with endpoint:
            assert endpoint.url == f"http://127.0.0.1:{endpoint.port}"
        with pytest.raises(RuntimeError):
            _ = endpoint.port
