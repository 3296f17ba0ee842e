"""A connection, and no whole answer on it; and an answer that says no."""

from course.guide.rows import Face, Read, Row

STALE = "04-stale-connections.ipynb"
STREAMS = "deeper/09-streams-that-break.ipynb"
HTTP2 = "deeper/04-http2.ipynb"
ONE_HTTP2 = "deeper/05-one-http2-connection.ipynb"
PROXIES = "deeper/07-proxies.ipynb"
REPEATED = "deeper/10-what-may-be-repeated.ipynb"
ANSWERS = "deeper/07-an-error-is-no-price.ipynb"
WIRE = "deeper/04-what-the-wire-can-do.ipynb"
RESET = r"\[(?:Errno (?:54|104)|WinError 10054)\] .*"
THEIR_LOG = "does the other side's log, if it notes requests when they arrive, have this one?"
IF_IDEMPOTENT = "Again only if it is idempotent."

FACES = (
    Face(
        ("httpx.RemoteProtocolError",),
        r"Server disconnected without sending a response\.",
        THEIR_LOG,
        (
            Row(
                "stale",
                "no; it came after a pause",
                "The server closed the idle connection; its FIN was still on the way.",
                "`keepalive_expiry` below the server's, by more than a round trip. "
                + IF_IDEMPOTENT,
                False,
                (STALE,),
            ),
            Row(
                "proxy died",
                "no; a proxy stands between",
                "The proxy hung up. It says nothing of the server.",
                IF_IDEMPOTENT + " Look at the proxy.",
                False,
                (PROXIES,),
                read=Read(
                    PROXIES,
                    "no       RemoteProtocolError: Server disconnected without sending a response.",
                    ("reached  outcome",),
                    show="RemoteProtocolError('Server disconnected without sending a response.')",
                ),
            ),
            Row(
                "hung up",
                "yes",
                "The server hung up on it: a crash, a restart, a worker killed.",
                IF_IDEMPOTENT,
                True,
                (STALE, WIRE),
            ),
        ),
    ),
    Face(
        ("httpx.RemoteProtocolError",),
        r"peer closed connection without sending complete message body .*",
        "who died in the middle of the answer, the server or a proxy before it?",
        (
            Row(
                "cut short",
                "",
                "The connection ended inside the body. A part of it may have arrived.",
                IF_IDEMPOTENT + " A stream is resumed, or what came of it is thrown away.",
                True,
                (WIRE, STREAMS),
            ),
        ),
    ),
    Face(
        ("httpx.ReadError",),
        rf"|{RESET}|\[Errno 9\] .*",
        "what is the root? And does the other side's log have the request?",
        (
            Row(
                "reset",
                "`ConnectionResetError`; it has",
                "An RST: the server's process died, or somebody cut the connection. With HTTP/2 it "
                "takes every call on it.",
                IF_IDEMPOTENT,
                True,
                (STALE, WIRE),
                chain=("ConnectionResetError",),
            ),
            Row(
                "hop reset",
                "`ConnectionResetError`; it has not, and it came after a pause",
                "A NAT or a load balancer forgot the idle connection.",
                "`keepalive_expiry` below the shortest clock on the way. " + IF_IDEMPOTENT,
                False,
                (STALE, "deeper/04-a-hop-that-forgets.ipynb"),
                chain=("ConnectionResetError",),
            ),
            Row(
                "own close",
                "`ClosedResourceError` in the chain; it has",
                "Your own code closed the client, or the response, under the reader.",
                "Await every call inside the client's block; the reader closes.",
                True,
                ("03-closed-too-early.ipynb",),
                chain=("ClosedResourceError", "IndexError"),
            ),
        ),
    ),
    Face(
        ("httpx.ReadTimeout",),
        r"|timed out|The read operation timed out",
        THEIR_LOG,
        (
            Row(
                "silent",
                "yes",
                "The server is slow or stuck: no byte came for as long as `read`.",
                IF_IDEMPOTENT + " Later, and with bounds.",
                True,
                ("10-timeouts.ipynb", "deeper/10-which-values.ipynb"),
            ),
            Row(
                "stalled",
                "yes, and a part of the answer has come",
                "A stream stalled: whoever sends it is stuck, or waits.",
                "A stream is resumed, or what came of it is thrown away.",
                True,
                (STREAMS,),
                read=Read(STREAMS, "ReadTimeout('')", ("stall  ReadTimeout('')",)),
            ),
            Row(
                "shared limit",
                "yes; others on the same HTTP/2 connection fail so, too",
                "One call reads for all. The limit of the one that read ran out.",
                "HTTP/1.1, or long limits and a deadline around each call: one that it gives up "
                "keeps its place until its answer is read.",
                True,
                (ONE_HTTP2,),
                read=Read(
                    ONE_HTTP2, "ReadTimeout('')", ("5  100.0%  56.6% to 100.0%  ReadTimeout('')",)
                ),
            ),
            Row(
                "behind goaway, too",
                "yes; HTTP/2, and another call has a `LocalProtocolError`",
                "The answers came right behind a GOAWAY, and were thrown away.",
                IF_IDEMPOTENT,
                True,
                (HTTP2,),
                read=Read(
                    HTTP2, "ReadTimeout('')", ("19  95.0%  76.4% to 99.1%  ReadTimeout('')",)
                ),
            ),
            Row(
                "hop dropped",
                "no; it came after a pause",
                "A hop forgot the idle connection and drops what comes.",
                "`keepalive_expiry` below the shortest clock, or TCP keep-alive.",
                False,
                (STALE, "deeper/04-a-hop-that-forgets.ipynb"),
            ),
        ),
    ),
    Face(
        ("httpx.WriteTimeout",),
        r"|timed out|The write operation timed out",
        "does the peer read at all, or too slowly for a piece so large?",
        (
            Row(
                "not reading",
                "",
                "A piece was not taken in time; bytes may be one. A part may have arrived.",
                IF_IDEMPOTENT + " Smaller pieces, a longer `write`.",
                None,
                ("10-timeouts.ipynb",),
            ),
        ),
    ),
    Face(
        ("httpx.HTTPStatusError",),
        r"(?:Client error '429|Server error '503) (?s:.*)",
        "who says so, the server or a gateway before it? Is there a `Retry-After`?",
        (
            Row(
                "told to wait",
                "",
                "429: too many requests. 503: not now; a gateway's may hide that the server behind "
                "it has carried the request out.",
                "Wait as `Retry-After` says, within a budget. Again if it is idempotent, or has an "
                "`Idempotency-Key`.",
                True,
                (REPEATED, ANSWERS),
                read=Read(ANSWERS, "HTTPStatusError: Server error '503 Service Unavailable'"),
            ),
        ),
    ),
)
