"""Faults that come and go, by a schedule that can be replayed.

`/fail-first`: the first `n` requests with a `key` fail, all later ones are answered.
`/flaky`: the k-th request with a `key` fails or not as `fails(seed, probability, k)` says, which
anyone can compute beforehand. A new key begins the same schedule again.

On the wire and at the client: as `how` says. `status` answers 503, `close` closes without an
answer, `reset` sends an RST.
"""

import random
from typing import Literal

from pydantic import Field
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.faults.common import NoResponse, healthy
from server.origin import OwnOriginOnly
from server.params import MAX_PIECES, NAME_PATTERN, Params, takes
from server.state import connection_of, counters_of, seed_of


def fails(seed: int, probability: float, k: int) -> bool:
    """Return whether the k-th request (from 1) of this schedule fails."""
    return random.Random(f"{seed}:{k}").random() < probability


class Scheduled(Params):
    key: str = Field("default", pattern=NAME_PATTERN, description="whose schedule it is")
    how: Literal["status", "close", "reset"] = Field("status", description="what a failure is")


class FailFirst(Scheduled):
    n: int = Field(1, ge=0, le=MAX_PIECES, description="how many requests fail")


@takes(FailFirst)
async def fail_first(request: Request, params: FailFirst) -> Response:
    """Fails the first n requests of a key."""
    k = counters_of(request).next(("fail-first", params))
    return await _fail(request, params.how) if k <= params.n else healthy(request)


class Flaky(Scheduled):
    probability: float = Field(0.5, ge=0, le=1, description="share of requests that fail")
    seed: int | None = Field(
        None, ge=0, le=2**32 - 1, description="which schedule; without it the server's own"
    )


@takes(Flaky)
async def flaky(request: Request, params: Flaky) -> Response:
    """Fails by a seeded schedule."""
    seed = seed_of(request) if params.seed is None else params.seed
    k = counters_of(request).next(("flaky", params))
    if fails(seed, params.probability, k):
        return await _fail(request, params.how)
    return healthy(request)


async def _fail(request: Request, how: str) -> Response:
    match how:
        case "status":
            return JSONResponse({"error": "failed on schedule"}, status_code=503)
        case "close":
            await connection_of(request).close()
        case "reset":
            await connection_of(request).reset()
    return NoResponse()


own = [Middleware(OwnOriginOnly)]  # each request advances a schedule
ROUTES = [
    Route("/fail-first", fail_first, methods=["GET", "POST"], middleware=own),
    Route("/flaky", flaky, methods=["GET", "POST"], middleware=own),
]
