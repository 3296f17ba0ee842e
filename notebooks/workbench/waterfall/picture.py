"""Draw a waterfall: the client's requests above the server's connections, on one time axis."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from workbench.figures import OKABE_ITO, WIDTH, house_style, set_title

if TYPE_CHECKING:
    from server.ledger import Event
    from workbench.waterfall.exchange import Exchange
    from workbench.waterfall.recording import Waterfall

Drawn = TypeVar("Drawn")

MOST_REQUESTS = 24
MOST_CONNECTIONS = 12
ROOMY = 12  # up to so many requests have words in their bars
VISIBLE = 0.004  # of the axis: a narrower bar needs no entry in the legend
EMPTY = 0.1  # of the axis: so much of it may be empty at its begin
LONGEST_LABEL = 32
LEGEND_COLUMNS = 4
CHARACTERS = 75  # how many fit along the axis

BLACK, GREY = OKABE_ITO["black"], "#999999"
# What a phase is called in its bar and in the legend, and how it is filled.
PHASES = {
    "pool": (
        "pool",
        "waits for a connection",
        {"facecolor": "white", "edgecolor": OKABE_ITO["orange"], "hatch": "////"},
    ),
    "connect": ("connect", "connects", {"facecolor": OKABE_ITO["purple"]}),
    "tls": ("TLS", "sets up TLS", {"facecolor": OKABE_ITO["yellow"]}),
    "send": ("send", "sends", {"facecolor": BLACK}),
    "wait": ("wait", "waits for the response", {"facecolor": OKABE_ITO["sky blue"]}),
    "held": (
        "open",
        "response open, not read",
        {"facecolor": "white", "edgecolor": OKABE_ITO["blue"], "hatch": ".."},
    ),
    "receive": ("receive", "receives the body", {"facecolor": OKABE_ITO["blue"]}),
}
DARK = {"send", "receive"}
ON_WHITE = {"facecolor": "white", "edgecolor": "none", "boxstyle": "round,pad=0.15"}
BUSY = {"facecolor": "#DDDDDD"}
FAILED = {"marker": "X", "markersize": 9, "color": OKABE_ITO["vermilion"]}
# How the ledger's entries are marked, what they are called in the legend, unless that is written
# beside the mark, and how far below the connection's line they stand: often all three of a request
# come within a millisecond, and none may cover another.
MARKS = {
    "opened": (
        "opened",
        {"marker": "o", "markersize": 6, "color": "white", "markeredgecolor": BLACK},
        0,
    ),
    "request": ("request received", {"marker": "v", "markersize": 5, "color": BLACK}, -0.36),
    "response": (
        "response sent",
        {"marker": "s", "markersize": 5, "color": OKABE_ITO["green"]},
        0.36,
    ),
    "closed": ("", {"marker": "|", "markersize": 11, "color": BLACK, "markeredgewidth": 2.5}, 0),
    "reset": ("", {"marker": "x", "markersize": 7, "color": BLACK, "markeredgewidth": 2.5}, 0),
}


@dataclass
class Span:
    """What the time axis covers, from `begin` to `end`; its zero is `start`. All in seconds."""

    start: float
    begin: float
    end: float

    def at(self, time: float | None) -> float:
        """Return the place of a time on the axis, in milliseconds; None is the end."""
        return ((self.end if time is None else time) - self.start) * 1000

    @property
    def length(self) -> float:
        """Its length in milliseconds."""
        return self.at(self.end) - self.at(self.begin)


def draw(waterfall: Waterfall, title: str) -> Figure:
    """Return the figure of a waterfall whose block has ended.

    Of many rows it draws those that show each kind of outcome, and says how many there were.
    """
    requests = waterfall.requests
    drawn = _some_of_each([exchange.describe() for exchange in requests], requests, MOST_REQUESTS)
    connections = _connections(waterfall, drawn)
    span = _span(waterfall)
    heights = [_height(len(drawn), ROOMY)]
    if waterfall.seen:
        heights.append(_height(min(len(connections), MOST_CONNECTIONS), ROOMY / 2))
    with house_style():
        figure = Figure(figsize=(WIDTH, 1.7 + 0.35 * len(heights) + sum(heights)))
        panels = figure.subplots(
            len(heights), sharex=True, height_ratios=heights, squeeze=False
        ).flat
        _draw_requests(panels[0], drawn, len(requests), span)
        if waterfall.seen:
            _draw_ledger(panels[1], connections, waterfall.events, span)
        for panel in panels:
            panel.grid(axis="x")
            panel.tick_params(axis="y", length=0, labelsize=9)
        panels[-1].set_xlim(span.at(span.begin), span.at(span.end))
        panels[-1].set_xlabel("time since the block began (ms)", fontsize=10)
        _draw_legend(figure, drawn, waterfall.events, span)
        set_title(figure, title)
    return figure


def _height(rows: int, roomy: float) -> float:
    """Return the height of so many rows, in inches."""
    return max(rows, 1) * (0.3 if rows <= roomy else 0.18)


def _some_of_each(kinds: Sequence[Hashable], rows: Sequence[Drawn], most: int) -> list[Drawn]:
    """Return at most so many rows, in their order: the first of each kind, then the seconds, ..."""
    before = Counter()
    ranks = []
    for position, kind in enumerate(kinds):
        ranks.append((before[kind], position))
        before[kind] += 1
    return [rows[position] for _, position in sorted(sorted(ranks)[:most], key=lambda r: r[1])]


def _span(waterfall: Waterfall) -> Span:
    """Begin with the block, or later where little happens; end with what happens last."""
    began = [exchange.started for exchange in waterfall.requests]
    ended = [exchange.ended for exchange in waterfall.requests]
    times = [event.time for event in waterfall.events]
    end = waterfall.ended if not ended or None in ended else max(ended + times)
    begin = min(began + times, default=waterfall.started)
    if begin - waterfall.started < EMPTY * (end - waterfall.started):
        begin = waterfall.started
    return Span(waterfall.started, begin, end)


def _connections(waterfall: Waterfall, drawn: Sequence[Exchange]) -> list[tuple[int, str]]:
    """Return number and name of each connection in the ledger, those of drawn requests first."""
    names = {}
    used = [exchange.connection for exchange in drawn if exchange.connection]
    for known in used + waterfall.connections:
        same = known.ledger_number == known.number
        names[known.ledger_number] = (
            f"c{known.number}" if same else f"c{known.number} (ledger: {known.ledger_number})"
        )
    names.pop(None, None)
    seen = {event.connection for event in waterfall.events}
    for number in sorted(seen - names.keys()):
        names[number] = f"ledger: {number}"
    return [(number, name) for number, name in names.items() if number in seen]


def _draw_requests(panel: Axes, drawn: Sequence[Exchange], count: int, span: Span) -> None:
    some = f", {len(drawn)} of {count} drawn" if len(drawn) < count else ""
    panel.set_title(f"the client's requests{some}", loc="left", fontsize=10)
    bars = defaultdict(list)
    for row, exchange in enumerate(drawn):
        for phase in exchange.phases:
            left, right = span.at(phase.start), span.at(phase.end)
            bars[phase.name].append((row, right - left, left))
            if len(drawn) <= ROOMY:
                _name_phase(panel, row, phase.name, left, right, span)
        _note(panel, span.at(exchange.ended), row, _outcome(exchange), bool(exchange.failure))
    for name, places in bars.items():
        rows, widths, lefts = zip(*places, strict=True)
        _, _, style = PHASES[name]
        # What stays inside the panel need not be measured for the layout.
        panel.barh(rows, widths, left=lefts, height=0.68, lw=0.8, in_layout=False, **style)
    failed = [
        (span.at(exchange.ended), row) for row, exchange in enumerate(drawn) if exchange.failure
    ]
    if failed:
        panel.plot(*zip(*failed, strict=True), linestyle="", clip_on=False, mec="white", **FAILED)
    _name_rows(panel, [exchange.label for exchange in drawn])


def _name_phase(panel: Axes, row: int, name: str, left: float, right: float, span: Span) -> None:
    """Write the phase's name into its bar, if there is room."""
    word, _, style = PHASES[name]
    if right - left > (len(word) + 2) * span.length / CHARACTERS:
        panel.text(
            (left + right) / 2,
            row,
            word,
            fontsize=9,
            color="white" if name in DARK else "black",
            bbox=ON_WHITE if "hatch" in style else None,
            horizontalalignment="center",
            verticalalignment="center_baseline",
            in_layout=False,
        )


def _outcome(exchange: Exchange) -> str:
    said = str(exchange.status or "")
    if exchange.outcome != "answered":
        said += f" {exchange.outcome.removeprefix('failed with ')}"
    if exchange.connection is not None:
        said += f" (c{exchange.connection.number}{'' if exchange.reused else ', new'})"
    return said.strip()


def _note(panel: Axes, x: float, row: int, text: str, bold: bool = False) -> None:
    panel.annotate(
        text,
        (x, row),
        xytext=(9, 0),
        textcoords="offset points",
        fontsize=9,
        fontweight="bold" if bold else "normal",
        verticalalignment="center_baseline",
        annotation_clip=False,
    )


def _name_rows(panel: Axes, names: Sequence[str]) -> None:
    names = [
        name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…" for name in names
    ] or ["none"]
    panel.set_yticks(range(len(names)), names)
    panel.set_ylim(len(names) - 0.35, -0.65)


def _draw_ledger(
    panel: Axes, connections: Sequence[tuple[int, str]], events: Sequence[Event], span: Span
) -> None:
    drawn = connections[:MOST_CONNECTIONS]
    some = f", {len(drawn)} of {len(connections)} drawn" if len(drawn) < len(connections) else ""
    panel.set_title(f"the server's connections{some}", loc="left", fontsize=10)
    marks = defaultdict(list)
    for row, (number, _) in enumerate(drawn):
        own = [event for event in events if event.connection == number]
        _draw_connection(panel, row, own, span)
        for event in own:
            kind = "reset" if event.reset else event.kind
            marks[kind].append((span.at(event.time), row + MARKS[kind][2]))
            if event.kind == "closed":
                words = f"{kind} by the {event.by}"
                _note(panel, span.at(event.time), row, words)
    for kind, (_, style, _) in MARKS.items():
        if marks[kind]:
            places = zip(*marks[kind], strict=True)
            panel.plot(*places, linestyle="", clip_on=False, in_layout=False, **style)
    _name_rows(panel, [name for _, name in drawn])


def _draw_connection(panel: Axes, row: int, events: Sequence[Event], span: Span) -> None:
    """Draw one connection's line, broad while the server works on a request."""
    times = {event.kind: span.at(event.time) for event in events}
    first, last = times.get("opened", span.at(span.begin)), times.get("closed", span.at(None))
    panel.plot([first, last], [row, row], color=GREY, linewidth=1.5, zorder=1, in_layout=False)
    answered = {event.nth: span.at(event.time) for event in events if event.kind == "response"}
    for event in events:
        if event.kind == "request":
            begin = span.at(event.time)
            end = answered.get(event.nth, last)
            panel.barh(row, end - begin, left=begin, height=0.44, in_layout=False, **BUSY)


def _draw_legend(
    figure: Figure, drawn: Sequence[Exchange], events: Sequence[Event], span: Span
) -> None:
    visible = {
        phase.name
        for exchange in drawn
        for phase in exchange.phases
        if span.at(phase.end) - span.at(phase.start) > VISIBLE * span.length
    }
    entries = [
        (Patch(linewidth=0.8, **style), words)
        for name, (_, words, style) in PHASES.items()
        if name in visible
    ]
    if any(exchange.failure for exchange in drawn):
        entries.append((Line2D([], [], linestyle="", **FAILED), "ends with an exception"))
    kinds = {event.kind for event in events}
    for kind, (words, style, _) in MARKS.items():
        if kind in kinds and words:
            entries.append((Line2D([], [], linestyle="", **style), words))
    if entries:
        # matplotlib fills columns; this way they read in rows.
        rows = [
            entry for first in range(LEGEND_COLUMNS) for entry in entries[first::LEGEND_COLUMNS]
        ]
        figure.legend(
            *zip(*rows, strict=True), loc="outside lower left", ncols=LEGEND_COLUMNS, fontsize=9
        )
