"""No connection to the server: the name, TCP, TLS."""

from course.guide.rows import Face, Read, Row

PROXIES = "deeper/07-proxies.ipynb"
TLS = "deeper/07-tls.ipynb"
WIRE = "deeper/04-what-the-wire-can-do.ipynb"
REFUSED = r"\[(?:Errno (?:61|111)|WinError 10061)\] .*"
# getaddrinfo's numbers: Linux (glibc), macOS, Windows.
NO_NAME = r"\[Errno (?:-[2345]|8|1100[1-4])\] .*"
RESET = r"\[(?:Errno (?:54|104)|WinError 10054)\] .*"
NO_TLS = (
    r"\[SSL: (?:WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|HTTP_REQUEST)\] .*|\[SSL\] record layer.*"
)
UNKNOWN = r"unable to get (?:local )?issuer certificate|self[- ]signed certificate"
MISMATCH = r"(?:Hostname|IP address) mismatch, certificate is not valid for"
EXPIRED = r"certificate (?:has expired|is not yet valid)"
NOT_TRUSTED = (
    r"\[SSL: CERTIFICATE_VERIFY_FAILED\] certificate verify failed: "
    rf"(?:{UNKNOWN}|{MISMATCH}|{EXPIRED}).*"
)
THE_ROOT = (
    "what is the root, at the end of `__cause__` and `__context__`, or in a group there? The "
    "traceback does not show it."
)

FACES = (
    Face(
        ("httpx.ConnectError",),
        rf"All connection attempts failed|{REFUSED}|\[Errno 24\] .*",
        THE_ROOT,
        (
            Row(
                "refused",
                "`ConnectionRefusedError`; the address is the server's",
                "Nobody listens there, or a firewall refuses.",
                "Was not sent: try later. Check host and port.",
                False,
                (WIRE,),
                chain=("ConnectionRefusedError",),
            ),
            Row(
                "dead proxy",
                "`ConnectionRefusedError`; the address is a proxy's",
                "`HTTP_PROXY` catches it, 127.0.0.1 too; or `proxy=` does.",
                "`NO_PROXY`, `trust_env=False`; correct `proxy=`.",
                False,
                (PROXIES,),
                chain=("ConnectionRefusedError",),
            ),
            Row(
                "descriptors",
                "`OSError` 24, too many open files",
                "Your own process has no file descriptor left.",
                "Find what leaks (clients never closed?), or raise the limit.",
                False,
                (WIRE, "07-fix-1-client-per-call.ipynb"),
                chain=("OSError 24",),
            ),
        ),
    ),
    Face(
        ("httpx.ConnectError",),
        NO_NAME,
        "does the name resolve on this machine, now?",
        (
            Row(
                "no such name",
                "",
                "DNS: the root is `gaierror`. No such name, or no answer.",
                "A wrong name: correct it. No answer: was not sent, try later.",
                False,
                (WIRE,),
                chain=("gaierror",),
            ),
        ),
    ),
    Face(
        ("httpx.ConnectError",),
        NOT_TRUSTED,
        "what does the text say of the certificate?",
        (
            Row(
                "unknown authority",
                "`unable to get local issuer certificate`, or self-signed",
                "Its authority is none that this client trusts: the company's own, that of a proxy "
                "which opens TLS. Or the server does not send the whole chain.",
                "`verify=` with a context that has loaded it. `SSL_CERT_FILE` replaces the whole "
                "list; `REQUESTS_CA_BUNDLE` is not read.",
                False,
                (TLS,),
                around=UNKNOWN,
            ),
            Row(
                "wrong name",
                "`mismatch`",
                "The certificate is for another name than the URL's host.",
                "Call it by a name that the certificate has.",
                False,
                (TLS,),
                around=MISMATCH,
            ),
            Row(
                "expired",
                "`has expired`, `is not yet valid`",
                "It was not renewed, or this machine's clock is wrong.",
                "Whoever has the server renews it.",
                False,
                (TLS,),
                around=EXPIRED,
            ),
        ),
    ),
    Face(
        ("httpx.ConnectError",),
        NO_TLS,
        "does that port speak TLS?",
        (
            Row(
                "no TLS there",
                "no",
                "`https://` to a port of plain HTTP.",
                "Correct the address.",
                False,
                (WIRE,),
                chain=("SSLError",),
            ),
        ),
    ),
    Face(
        ("httpx.ConnectError",),
        rf"|{RESET}",
        "who accepted the connection, the server or a proxy before it?",
        (
            Row(
                "no handshake",
                "",
                "It hung up before TLS stood.",
                "Was not sent: try later; ask whoever runs it.",
                False,
                (PROXIES,),
                read=Read(
                    PROXIES,
                    "ConnectError('')",
                    ("reached  outcome", "dies     no       ConnectError('')"),
                ),
            ),
        ),
    ),
    Face(
        ("httpx.ProxyError",),
        r"\d{3} .*",
        "which proxy is it, and what does its status say?",
        (
            Row(
                "proxy refuses",
                "",
                "A proxy refuses the way to the server: 407 wants a name and a password, 502 has "
                "not reached it.",
                "The proxy's address, its credentials, `NO_PROXY`, `mounts=`.",
                False,
                (PROXIES,),
                read=Read(
                    PROXIES,
                    "ProxyError: 502 Bad Gateway",
                    ("reached  outcome", "refuses  no       ProxyError: 502 Bad Gateway"),
                ),
            ),
        ),
    ),
    Face(
        ("httpx.ConnectTimeout",),
        r"|timed out|.*The handshake operation timed out.*",
        "did the server accept the connection, and was your own event loop free?",
        (
            Row(
                "queue full",
                "not accepted",
                "The server is too busy to accept, or packets are lost.",
                "Was not sent: try later.",
                False,
                (WIRE,),
            ),
            Row(
                "loop blocked",
                "accepted; your loop computed for as long as the limit",
                "Your own process was late, not the network.",
                "What computes goes off the loop: `asyncio.to_thread`, a process.",
                False,
                ("10-timeouts.ipynb",),
            ),
            Row(
                "handshake",
                "accepted; `SSLWantReadError` is in the chain, or the text says handshake",
                "The peer does not answer the TLS handshake. `connect` bounds it anew.",
                "Ask whoever runs it. Was not sent.",
                False,
                ("10-timeouts.ipynb",),
                chain=("SSLWantReadError",),
                around=r"handshake operation timed out",
            ),
            Row(
                "fan-out connecting",
                "accepted; hundreds of calls began in one `gather`",
                "The pool's bookkeeping kept your loop busy.",
                "A semaphore in front, no larger than the pool.",
                False,
                ("05-the-pool-runs-dry.ipynb",),
                read=Read(
                    "05-the-pool-runs-dry.ipynb",
                    "ConnectTimeout('')",
                    ("50 connections opened, 0 requests",),
                ),
            ),
        ),
    ),
)
