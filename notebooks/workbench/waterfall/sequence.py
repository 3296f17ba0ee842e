"""Draw what travelled between a client and a server behind a link, as slanted lines.

    with Link(server.url, 0.3) as link:
        async with httpx.AsyncClient() as client:
            with record(client, server.ledger) as waterfall:
                await client.get(link.url + "/echo")
    sequence_plot(waterfall, link.delay)

A slanted line begins when a request, an answer or an end of the connection leaves one end, and
stops when it reaches the other. Lines that cross: each was sent in ignorance of the other.
Lessons call `sequence_plot`; it reads a waterfall and touches nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
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
NO_DELAY = "The line has no delay: what leaves one end is at the other at once"
LABEL = 0.14  # of the axis: as wide as the longest label
SHORT = 0.1  # seconds: a shorter axis is in milliseconds


@dataclass(frozen=True)
class Transit:
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
        """Its style: a key of `STYLES`."""
        return self.name.split()[0]


def transits(waterfall: Waterfall, delay: float) -> list[Transit]:
    """Return what travelled, in the order in which it left.

    waterfall: of one client behind a link, that sent its requests one after another.
    delay: the link's, one way, in seconds. The ledger tells when a request arrived and when an
        answer or an end of the connection left; the other end of the way is `delay` away.
    """
    found = []
    for number, exchange in enumerate(waterfall.requests, start=1):
        send = exchange.phase("send")
        if send is None:
            continue
        received, answered = _at_the_server(exchange, send.start, waterfall.events)
        lost = received is None
        arrived = send.start + delay if lost else received.time
        found.append(Transit(f"request {number}", "client", send.start, arrived, lost))
        if answered is not None:
            left = answered.time
            if exchange.status:  # a busy server may write its ledger after the client has it
                left = min(left, exchange.phase("wait").end - delay)
            found.append(Transit(f"response {number}", "server", left, left + delay))
    for event in waterfall.events:
        if event.kind == "closed":
            name = "RST" if event.reset else "FIN"
            left = event.time if event.by == "server" else event.time - delay
            found.append(Transit(name, event.by, left, left + delay))
    return sorted(found, key=lambda transit: transit.left)


def _at_the_server(
    exchange: Exchange, left: float, events: Sequence[Event]
) -> tuple[Event | None, Event | None]:
    """Return when the server received this request and when it had answered; None if it did not."""
    end = float("inf") if exchange.ended is None else exchange.ended
    received = next(
        (event for event in events if event.kind == "request" and left < event.time < end), None
    )
    answered = (
        event
        for event in events
        if received is not None
        and event.kind == "response"
        and (event.connection, event.nth) == (received.connection, received.nth)
    )
    return received, next(answered, None)


def sequence_plot(waterfall: Waterfall, delay: float, title: str | None = None) -> Picture:
    """Return the picture of what travelled between the two ends, and when.

    Shaded is the time in which the server has closed the connection and the client cannot know it
    yet. waterfall, delay: as for `transits`. title: the finding.

    Raises ValueError if nothing travelled.
    """
    travelled = transits(waterfall, delay)
    if not travelled:
        raise ValueError("nothing travelled: the waterfall has no request on a connection")
    title = title or "What travelled between client and server"
    words = f"{title.rstrip('.')}. {_in_words(travelled)}"
    if not delay:
        words += f" {NO_DELAY}."
    return Picture(_draw(travelled, title, delay), words)


def _in_words(travelled: Sequence[Transit]) -> str:
    sentences = []
    for transit in travelled:
        words = f"The {transit.sender} sends {_with_article(transit.name)}"
        under_way = [
            other
            for other in travelled
            if other.sender != transit.sender and other.left < transit.left < other.arrived
        ]
        if under_way:
            names = " and ".join(_with_article(other.name) for other in under_way)
            words += f" while {names} is under way"
        if transit.lost:
            words += "; it meets a closed connection"
        sentences.append(f"{words}.")
    return " ".join(sentences)


def _with_article(name: str) -> str:
    return {"FIN": "the FIN", "RST": "the RST"}.get(name, name)


def _draw(travelled: Sequence[Transit], title: str, delay: float) -> Figure:
    start = min(transit.left for transit in travelled)
    length = max(transit.arrived for transit in travelled) - start
    scale, unit = (1, "s") if length >= SHORT else (1000, "ms")
    length *= scale
    places = _label_places(travelled, start, length / scale)
    highest = max(places.values())
    with house_style():
        figure = Figure(figsize=(WIDTH, 3.4 + 0.4 * highest))
        axes = figure.subplots()
        for level in (CLIENT, SERVER):
            axes.axhline(level, color="#999999", linewidth=1.5, zorder=1)
        # Those on top of others first: their thin lines then run below the labels nearer by.
        for transit in sorted(travelled, key=places.get, reverse=True):
            left, arrived = (transit.left - start) * scale, (transit.arrived - start) * scale
            _draw_transit(axes, transit, left, arrived, places[transit])
            if _unaware(transit) and delay:
                axes.axvspan(left, arrived, linewidth=0, zorder=0, **UNAWARE)
        axes.set_yticks([CLIENT, SERVER], ["client", "server"])
        axes.set_ylim(SERVER - 0.25 * (highest + 1), CLIENT + 0.25 * (highest + 1))
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlim(0, length * (1 + LABEL))
        said = "" if delay else f"\n{NO_DELAY}"
        axes.set_xlabel(f"time since the first request left ({unit}){said}")
        _draw_legend(figure, travelled, delay)
        set_title(figure, title)
    return figure


def _label_places(travelled: Sequence[Transit], start: float, length: float) -> dict[Transit, int]:
    """Return how many other labels each label must stand above, so that none covers another."""
    places = {}
    ends: dict[tuple[str, int], float] = {}
    for transit in travelled:  # in the order in which they left
        place = 0
        while ends.get((transit.sender, place), float("-inf")) > transit.left - start:
            place += 1
        ends[transit.sender, place] = transit.left - start + LABEL * length
        places[transit] = place
    return places


def _draw_transit(axes: Axes, transit: Transit, left: float, arrived: float, place: int) -> None:
    begin, end = (CLIENT, SERVER) if transit.sender == "client" else (SERVER, CLIENT)
    axes.annotate(
        "",
        xy=(arrived, end),
        xytext=(left, begin),
        arrowprops={"arrowstyle": "-|>", "linewidth": 2, "shrinkA": 0, "shrinkB": 0}
        | STYLES[transit.kind],
    )
    away = 7 + 15 * place
    axes.annotate(
        transit.name,
        (left, begin),
        xytext=(0, away if begin == CLIENT else -away),
        textcoords="offset points",
        horizontalalignment="left",
        verticalalignment="bottom" if begin == CLIENT else "top",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        # Where labels are stacked, a thin line leads from the label to its moment.
        arrowprops={"arrowstyle": "-", "color": "#999999", "linewidth": 0.8} if place else None,
    )
    if transit.lost:
        axes.plot(arrived, end, zorder=4, clip_on=False, **LOST)


def _unaware(transit: Transit) -> bool:
    return transit.kind in ("FIN", "RST") and transit.sender == "server"


def _draw_legend(figure: Figure, travelled: Sequence[Transit], delay: float) -> None:
    entries = []
    if delay and any(map(_unaware, travelled)):
        entries.append((Patch(**UNAWARE), "closed, and the client cannot know it yet"))
    if any(transit.lost for transit in travelled):
        entries.append((Line2D([], [], **LOST), "met a closed connection"))
    if entries:
        figure.legend(*zip(*entries, strict=True), loc="outside lower left", ncols=2, fontsize=9)
