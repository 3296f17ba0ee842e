"""The client of the exercises that are tried on `server.http2`."""

import httpx


def over_http2() -> httpx.AsyncClient:
    """Return a client that speaks HTTP/2 from the first byte, as the server does, without TLS."""
    return httpx.AsyncClient(http1=False, http2=True, verify=False, timeout=20)
