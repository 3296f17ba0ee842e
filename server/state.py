"""What a handler of the course's application may ask for, with its type."""

from starlette.requests import Request

from server.counters import Counters
from server.gates import Gates
from server.protocol import Connection


def connection_of(request: Request) -> Connection:
    """Return the connection on which the request came. `LedgerProtocol` has put it there."""
    return request.state.connection


def gates_of(request: Request) -> Gates:
    """Return the application's gates."""
    return request.app.state.gates


def counters_of(request: Request) -> Counters:
    """Return the application's counters."""
    return request.app.state.counters


def seed_of(request: Request) -> int:
    """Return the seed that the application was made with."""
    return request.app.state.seed
