"""The faults, one file per family, mounted by name below /faults."""

from server.faults import (
    close,
    flaky,
    headers_only,
    hold,
    interrupted,
    malformed,
    reset,
    silence,
    truncated,
)

ROUTES = [
    *reset.ROUTES,
    *close.ROUTES,
    *truncated.ROUTES,
    *malformed.ROUTES,
    *silence.ROUTES,
    *headers_only.ROUTES,
    *flaky.ROUTES,
    *hold.ROUTES,
    *interrupted.ROUTES,
]
