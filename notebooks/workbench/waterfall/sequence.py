"""Draw what travelled between a client and a server behind a link, as slanted lines.

    with Link(server.url, 0.3) as link:
        async with httpx.AsyncClient() as client:
            with record(client, server.ledger) as waterfall:
                await client.get(link.url + "/echo")
    sequence_plot(waterfall, link.delay)

A slanted line begins when a message leaves one end and stops when it reaches the other. Lines
that cross are messages that were under way at the same time, each in ignorance of the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from server.ledger import Event
from workbench.figures import OKABE_ITO, WIDTH, Picture, house_style, set_title
from workbench.waterfall.exchange import Exchange
from workbench.waterfall.recording import Waterfall

CLIENT, SERVER = 1.0, 0.0
STYLES = {
    "request": {"color": OKABE_ITO["blue"], "linestyle": "-"},
    "response": {"color": OKABE_ITO["green"], "linestyle": "-"},
    "FIN": {"color": OKABE_ITO["black"], "linestyle": "--"},
    "RST": {"color": OKABE_ITO["black"], "linestyle": "--"},
}
LOST = {"marker": "X", "markersize": 11, "color": OKABE_ITO["vermilion"], "linestyle": ""}
UNAWARE = {"facecolor": OKABE_ITO["yellow"], "alpha": 0.35}


@dataclass(frozen=True)
class Message:
    """Something on its way: `sender` sent it at `left`, the other end got it at `arrived`.

    Times are seconds on `server.ledger.clock`. `lost` is a request that met a closed connection.
    """

    name: str
    sender: str
    left: float
    arrived: float
    lost: bool = False

    @property
    def kind(self) -> str:
        """The message's style: a key of `STYLES`."""
        return self.name.split()[0]


def messages(waterfall: Waterfall, delay: float) -> list[Message]:
    """Return what travelled, in the order in which it left.

    waterfall: of one client behind a link, that sent its requests one after another.
    delay: the link's, one way, in seconds. The ledger tells when a request arrived and when an
        answer or an end of the connection left; the other end of the way is `delay` away.
    """
    events = list(waterfall.events)
    found = []
    for number, exchange in enumerate(waterfall.requests, start=1):
        left = next((phase.start for phase in exchange.phases if phase.name == "send"), None)
        if left is not None:
            arrived = _arrival(exchange, left, events)
            lost = arrived is None
            found.append(
                Message(f"request {number}", "client", left, arrived or left + delay, lost)
            )
    for number, event in enumerate((e for e in events if e.kind == "response"), start=1):
        found.append(Message(f"response {number}", "server", event.time, event.time + delay))
    for event in events:
        if event.kind == "closed":
            name = "RST" if event.reset else "FIN"
            if event.by == "server":
                found.append(Message(name, "server", event.time, event.time + delay))
            else:
                found.append(Message(name, "client", event.time - delay, event.time))
    return sorted(found, key=lambda message: message.left)


def _arrival(exchange: Exchange, left: float, events: Sequence[Event]) -> float | None:
    """Return when the server received this request, or None if it never did."""
    end = float("inf") if exchange.ended is None else exchange.ended
    times = [event.time for event in events if event.kind == "request" and left < event.time < end]
    return times[0] if times else None


def sequence_plot(waterfall: Waterfall, delay: float, title: str | None = None) -> Picture:
    """Return the picture of what travelled between the two ends, and when.

    Shaded is the time in which the server has closed the connection and the client cannot know it
    yet. waterfall, delay: as for `messages`. title: the finding.

    Raises ValueError if nothing travelled.
    """
    travelled = messages(waterfall, delay)
    if not travelled:
        raise ValueError("nothing travelled: the waterfall has no request on a connection")
    title = title or "What travelled between client and server"
    return Picture(_draw(travelled, title), f"{title.rstrip('.')}. {_in_words(travelled)}")


def _in_words(travelled: Sequence[Message]) -> str:
    sentences = []
    for message in travelled:
        words = f"The {message.sender} sends {_with_article(message.name)}"
        under_way = [
            other
            for other in travelled
            if other.sender != message.sender and other.left < message.left < other.arrived
        ]
        if under_way:
            names = " and ".join(_with_article(other.name) for other in under_way)
            words += f" while {names} is under way"
        if message.lost:
            words += "; it meets a closed connection"
        sentences.append(f"{words}.")
    return " ".join(sentences)


def _with_article(name: str) -> str:
    return {"FIN": "the FIN", "RST": "the RST"}.get(name, name)


def _draw(travelled: Sequence[Message], title: str) -> Figure:
    start = min(message.left for message in travelled)
    with house_style():
        figure = Figure(figsize=(WIDTH, 3.6))
        axes = figure.subplots()
        for level in (CLIENT, SERVER):
            axes.axhline(level, color="#999999", linewidth=1.5, zorder=1)
        for message in travelled:
            begin, end = (CLIENT, SERVER) if message.sender == "client" else (SERVER, CLIENT)
            left, arrived = message.left - start, message.arrived - start
            axes.annotate(
                "",
                xy=(arrived, end),
                xytext=(left, begin),
                arrowprops={"arrowstyle": "-|>", "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
                | STYLES[message.kind],
            )
            axes.annotate(
                message.name,
                (left, begin),
                xytext=(0, 7 if begin == CLIENT else -7),
                textcoords="offset points",
                horizontalalignment="center",
                verticalalignment="bottom" if begin == CLIENT else "top",
            )
            if message.lost:
                axes.plot(arrived, end, zorder=4, clip_on=False, **LOST)
            if message.kind in ("FIN", "RST") and message.sender == "server":
                axes.axvspan(left, arrived, linewidth=0, zorder=0, **UNAWARE)
        axes.set_yticks([CLIENT, SERVER], ["client", "server"])
        axes.set_ylim(-0.25, 1.25)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(-0.05, max(message.arrived for message in travelled) - start + 0.1)
        axes.set_xlabel("time since the first message left (s)")
        _draw_legend(figure, travelled)
        set_title(figure, title)
    return figure


def _draw_legend(figure: Figure, travelled: Sequence[Message]) -> None:
    entries = []
    if any(message.kind in ("FIN", "RST") and message.sender == "server" for message in travelled):
        entries.append((Patch(**UNAWARE), "closed, and the client cannot know it yet"))
    if any(message.lost for message in travelled):
        entries.append((Line2D([], [], **LOST), "met a closed connection"))
    if entries:
        figure.legend(*zip(*entries, strict=True), loc="outside lower left", ncols=2, fontsize=9)
