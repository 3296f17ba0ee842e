"""What tests ask of a server that they start and stop."""

import socket
import threading
import time

import httpx


def get(url, **options):
    with httpx.Client(verify=False, timeout=20, **options) as client:
        return client.get(url)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def refuses(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=10).close()
    except OSError:
        return True
    return False


def wait_for(condition, timeout=10):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


def server_threads():
    return [thread for thread in threading.enumerate() if thread.name == "server-local"]
