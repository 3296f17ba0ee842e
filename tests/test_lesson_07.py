"""Lesson 07: what its sentences say besides what its cells assert."""

import ssl

import httpx
import pytest


def test_the_context_that_httpx_would_make_is_the_one_that_create_ssl_context_makes(monkeypatch):
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    default = httpx.AsyncClient()._transport._pool._ssl_context
    made = httpx.create_ssl_context()
    for context in (default, made):
        assert context.verify_mode is ssl.CERT_REQUIRED
        assert context.check_hostname
    assert default.cert_store_stats() == made.cert_store_stats()


@pytest.mark.anyio
@pytest.mark.parametrize("code", [200, 201, 204, 299])
async def test_a_success_comes_back_from_raise_for_status(server, code):
    async with httpx.AsyncClient(verify=False) as client:
        response = await client.get(f"{server.url}/status?code={code}")
    assert response.raise_for_status() is response


@pytest.mark.anyio
@pytest.mark.parametrize("code", [300, 304, 307, 400, 404, 429, 500, 503, 599])
async def test_raise_for_status_raises_for_all_the_rest(server, code):
    async with httpx.AsyncClient(verify=False) as client:
        response = await client.get(f"{server.url}/status?code={code}")
    with pytest.raises(httpx.HTTPStatusError):
        response.raise_for_status()
