"""What HTTP/2 adds: many calls share one connection, and its end."""

from course.guide.rows import Face, Read, Row

HTTP2 = "deeper/04-http2.ipynb"
IF_IDEMPOTENT = "Send it again only if it is idempotent."

FACES = (
    Face(
        ("httpx.RemoteProtocolError",),
        r"<ConnectionTerminated error_code:\S+, last_stream_id:\d+, .*>",
        "is the number of the call's stream above `last_stream_id`?",
        (
            Row(
                "goaway",
                "",
                "HTTP/2: the server shuts the connection down (GOAWAY); what is under way fails.",
                "Not above, or not known: only if it is idempotent. Above: it was not processed, "
                "send it again.",
                True,
                (HTTP2,),
                read=Read(
                    HTTP2,
                    "RemoteProtocolError: <ConnectionTerminated error_code:0, last_stream_id:19, "
                    "additional_data:None>",
                    ("connection 1: 20 requests, 0 responses",),
                ),
            ),
        ),
    ),
    Face(
        ("httpx.RemoteProtocolError",),
        r"Server disconnected",
        "was the connection idle before, or had the call begun?",
        (
            Row(
                "http2 stale",
                "idle",
                "HTTP/2: a FIN had come, and httpx does not look for one there.",
                "`keepalive_expiry` below the server's time-out. " + IF_IDEMPOTENT,
                False,
                (HTTP2,),
                read=Read(HTTP2, "RemoteProtocolError: Server disconnected"),
            ),
            Row(
                "http2 hung up",
                "begun",
                "HTTP/2: the server hung up, on every call of the connection.",
                IF_IDEMPOTENT,
                True,
                (HTTP2,),
                read=Read(
                    HTTP2,
                    "RemoteProtocolError: Server disconnected",
                    ("a FIN                              20 nobody knows",),
                ),
            ),
        ),
    ),
)
