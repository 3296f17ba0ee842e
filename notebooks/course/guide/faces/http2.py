"""What HTTP/2 adds: many calls share one connection, and its end."""

from course.guide.rows import Face, Read, Row

HTTP2 = "deeper/04-http2.ipynb"
ONE = "deeper/05-one-http2-connection.ipynb"
IF_IDEMPOTENT = "Again only if it is idempotent."

GOAWAY = Face(
    ("httpx.RemoteProtocolError",),
    r"<ConnectionTerminated error_code:\S+, last_stream_id:\d+, .*>",
    "what is `last_stream_id`, and is the number of the call's stream above it?",
    (
        Row(
            "goaway none",
            "0",
            "HTTP/2: the server ends the connection (GOAWAY), nothing processed.",
            "It was not processed: send it again.",
            True,
            (HTTP2,),
            around=r"last_stream_id:0,",
            read=Read(
                HTTP2,
                "RemoteProtocolError: <ConnectionTerminated error_code:0, last_stream_id:0, "
                "additional_data:None>",
                ("GOAWAY, last stream 0              20 not processed",),
            ),
        ),
        Row(
            "goaway",
            "another number",
            "HTTP/2: the server ends the connection (GOAWAY).",
            "Not above, or not known: only if it is idempotent. Above: it was not processed, "
            "send it again.",
            True,
            (HTTP2,),
            around=r"last_stream_id:[1-9]",
            read=Read(
                HTTP2,
                "RemoteProtocolError: <ConnectionTerminated error_code:0, last_stream_id:19, "
                "additional_data:None>",
                ("connection 1: 20 requests, 0 responses",),
            ),
        ),
    ),
)
REFUSED = Face(
    ("httpx.RemoteProtocolError",),
    r"<StreamReset stream_id:\d+, error_code:7, remote_reset:True>",
    "is `error_code` 7? Other numbers have other causes.",
    (
        Row(
            "http2 refused",
            "yes",
            "HTTP/2: the server refuses this one stream (REFUSED_STREAM).",
            "It was not processed: send it again.",
            True,
            (HTTP2,),
            read=Read(
                HTTP2,
                "RemoteProtocolError: <StreamReset stream_id:1, error_code:7, remote_reset:True>",
                ("RST_STREAM, REFUSED_STREAM         20 not processed",),
            ),
        ),
    ),
)
BEHIND_GOAWAY = Face(
    ("httpx.LocalProtocolError",),
    r"Invalid input ConnectionInputs\.RECV_HEADERS in state ConnectionState\.CLOSED",
    "does the server send a GOAWAY, and answers right behind it?",
    (
        Row(
            "behind goaway",
            "yes",
            "HTTP/2: after a GOAWAY h2 takes nothing more. The answer is lost; other calls "
            "there get a `ReadTimeout` or, by a FIN, `Server disconnected`.",
            IF_IDEMPOTENT,
            True,
            (HTTP2,),
            read=Read(
                HTTP2,
                "LocalProtocolError: Invalid input ConnectionInputs.RECV_HEADERS in state "
                "ConnectionState.CLOSED",
            ),
        ),
    ),
)
DISCONNECTED = Face(
    ("httpx.RemoteProtocolError",),
    r"Server disconnected",
    "was the connection idle before, or had the call begun?",
    (
        Row(
            "http2 stale",
            "idle",
            "HTTP/2: a FIN had come, and httpx does not look for one there.",
            "`keepalive_expiry` below the server's. " + IF_IDEMPOTENT,
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
)
NO_PLACE = Face(
    ("httpx.LocalProtocolError",),
    r"Max outbound streams is \d+, \d+ open",
    "does each call get it, or did others on the connection fail just before?",
    (
        Row(
            "places given up",
            "each call, until there is a pause",
            "HTTP/2: calls that a deadline gave up keep their places.",
            "Was not sent. A new client now. HTTP/1.1, where calls are given up.",
            False,
            (ONE,),
            read=Read(
                ONE,
                "LocalProtocolError: Max outbound streams is 5, 5 open",
                ("10  100.0%  72.2% to 100.0%  LocalProtocolError: Max outbound streams",),
            ),
        ),
        Row(
            "place on a dead connection",
            "others failed just before",
            "HTTP/2: it waited for a place on a connection that broke.",
            "Was not sent: send it again.",
            False,
            (ONE,),
            read=Read(
                ONE,
                "LocalProtocolError: Max outbound streams is 5, 5 open",
                ("15  75.0%  53.1% to 88.8%  LocalProtocolError: Max outbound streams",),
            ),
        ),
    ),
)
FACES = (GOAWAY, REFUSED, BEHIND_GOAWAY, NO_PLACE, DISCONNECTED)
