"""What is refused: foreign hosts and pages, and what is no whole request."""

import socket
import threading

import httpx
import pytest

from server.gates import Gates
from server.local import LocalServer


@pytest.fixture(scope="module")
def client(server):
    with httpx.Client(base_url=server.url, timeout=30, verify=False) as client:
        yield client


def raw(server, head: bytes) -> bytes:
    """Send bytes as they are and return all that comes back."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(head)
        answer = b""
        while data := sock.recv(65536):
            answer += data
    return answer


# The Host header


FOREIGN = [
    "evil.example",
    "evil.example:80",
    "EVIL.EXAMPLE",
    "evil.example.",
    "127.0.0.1.evil.example",
    "localhost.evil.example",
    "notlocalhost",
    "127.0.0.2",
    "0.0.0.0",
    "[::1]:80",
    "user@127.0.0.1",
    "127.0.0.1, evil.example",
    "",
]


def test_foreign_host_is_refused(client):
    for host in FOREIGN:
        response = client.post("/gates/foreign", headers={"host": host})
        assert response.status_code == 400, host
    # Had one of them come through, the gate would be open and this would be answered.
    with pytest.raises(httpx.ReadTimeout):
        client.get("/faults/hold", params={"gate": "foreign"}, timeout=0.3)


def test_loopback_names_are_accepted(client):
    for host in ("127.0.0.1", "127.0.0.1:1", "localhost", "LocalHost:8000"):
        assert client.get("/echo", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("version", [b"HTTP/1.1", b"HTTP/1.0"])
def test_missing_host_is_refused(server, version):
    answer = raw(server, b"GET /echo " + version + b"\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_what_is_not_http_is_answered_with_400(server):
    assert raw(server, b"hello\r\n\r\n").startswith(b"HTTP/1.1 400 ")


# Foreign pages


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": "http://evil.example"},
    ],
)
def test_foreign_page_changes_nothing(client, headers):
    own = {"origin": str(client.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    key = "page-" + "-".join(headers.values()).translate(str.maketrans("", "", ":/"))
    path = f"/faults/fail-first?key={key[:40]}"
    for method, asked in (("POST", f"/gates/{key[:40]}"), ("GET", path), ("GET", "/faults/flaky")):
        response = client.request(method, asked, headers=headers)
        assert response.status_code == 403
        assert "another origin" in response.json()["error"]
    assert client.get("/echo", headers=headers).status_code == 200  # nothing to change here
    assert client.get(path, headers=own).status_code == 503  # the first that counts
    assert client.get(path).status_code == 200


def test_gates_by_name_are_capped():
    gates = Gates(kept=2)
    for name in ("a", "b", "a", "c"):
        gates.open(name)
    assert list(gates._open) == ["a", "c"]


# Half a conversation


def test_half_close_during_a_delay_gets_a_fin_and_no_answer(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
        sock.sendall(b"GET /delay?seconds=30 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        assert sock.recv(100) == b""


@pytest.mark.parametrize("method", ["POST", "HEAD"])
def test_good_head_and_a_bad_chunk(method, caplog):
    head = f"{method} /status HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    with LocalServer() as server, server.ledger.watch() as seen:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
            sock.sendall(head.encode() + b"zz\r\n")
            answer = b""
            while piece := sock.recv(1000):  # until the server's FIN
                answer += piece
        server.ledger.wait_until_closed()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert [(event.kind, event.status) for event in seen.events] == [
        ("opened", 0), ("request", 0), ("response", 400), ("closed", 0),
    ]  # fmt: skip
    assert [r for r in caplog.records if r.levelname == "ERROR" and r.name == "asyncio"] == []


def test_bad_chunk_after_the_answer_has_begun(caplog):
    """The application answers early; what it says later goes nowhere, and nothing is printed."""
    began = threading.Event()

    async def app(scope, receive, send):
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        began.set()
        while (await receive())["type"] != "http.disconnect":
            pass
        await send({"type": "http.response.body", "body": b"late"})

    with LocalServer(app) as server, server.ledger.watch() as seen:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as sock:
            sock.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            assert began.wait(10)
            sock.sendall(b"zz\r\n")
            while sock.recv(1000):
                pass
        server.ledger.wait_until_closed()
    assert (seen.requests, seen.responses) == (1, 0)
    assert [r for r in caplog.records if r.levelname == "ERROR" and r.name == "asyncio"] == []
