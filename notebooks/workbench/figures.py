"""The house style of the course's figures, and what a cell shows for one.

A figure never relies on colour alone: failures are hatched too, and what matters is written beside
the mark.
"""

import base64
import html
import io
import textwrap

import matplotlib
from IPython.display import display
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from workbench.colours import OKABE_ITO

# Fill styles, to be taken in this order. A success is plain, a failure hatched.
SUCCESSES = [
    {"facecolor": colour, "edgecolor": "white"}
    for colour in (
        OKABE_ITO["blue"],
        OKABE_ITO["sky blue"],
        OKABE_ITO["green"],
        "#BBBBBB",
        "#666666",
        OKABE_ITO["black"],
    )
]
FAILURES = [
    {"facecolor": OKABE_ITO["vermilion"], "edgecolor": "white", "hatch": "///"},
    {"facecolor": OKABE_ITO["orange"], "edgecolor": "black", "hatch": ".."},
    {"facecolor": OKABE_ITO["purple"], "edgecolor": "white", "hatch": "xx"},
    {"facecolor": OKABE_ITO["yellow"], "edgecolor": "black", "hatch": "\\\\\\"},
    {"facecolor": OKABE_ITO["black"], "edgecolor": "white", "hatch": "oo"},
    {"facecolor": "white", "edgecolor": "black", "hatch": "--"},
]

WIDTH = 8.0  # inches
# Notebooks show a figure smaller than it was drawn, so that it stays sharp on a dense screen.
SHOWN_PER_INCH = 90
SUMMARY = "The picture in words"
# A margin on a dark page, where the figure's own edge shows.
CARD = "box-sizing: border-box; padding: 8px; background: white"

STYLE = {
    "figure.dpi": 120,
    "font.family": "DejaVu Sans",  # comes with matplotlib, so it is the same on every machine
    "font.size": 11,
    "figure.titlesize": 13,
    "figure.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#DDDDDD",
    "legend.frameon": False,
    "hatch.linewidth": 1.2,
    "figure.facecolor": "white",
    "figure.constrained_layout.use": True,
    # Exception messages are drawn as they are: a `$` in one does not start a formula.
    "text.parse_math": False,
}


def house_style():
    """Return a context manager (and decorator) under which figures are made in the house style."""
    return matplotlib.rc_context(STYLE)


def set_title(figure: Figure, title: str) -> None:
    """Write the title, which states the finding, at the left edge above the whole figure."""
    figure.suptitle(textwrap.fill(title, 68), x=0.01, horizontalalignment="left")


class Picture:
    """A figure, and the same in words.

    As the last line of a cell it shows the image, and below it the words, folded up, as HTML, for
    whoever cannot see the image or read it. JupyterLab 4.6 and nbconvert 7.17 give a PNG no
    alternative text, whatever its metadata say. So its output has a `text/markdown` as well, which
    both of them prefer: the same image, with the words as its name for a screen reader. A stored
    output is without it (`tests/store.py`), and without a name.

    `figure` is a `matplotlib.figure.Figure` made within `house_style()`. One made directly, not
    through `pyplot`, is neither shown twice by a notebook nor kept alive by pyplot's list.
    """

    def __init__(self, figure: Figure, text: str):
        self.figure = figure
        self.text = text

    def png(self) -> bytes:
        """Return the image as PNG."""
        image = io.BytesIO()
        with house_style():
            # Figure.savefig would draw all of it twice. Without the entry for matplotlib's
            # version the same figure gives the same bytes.
            FigureCanvasAgg(self.figure).print_png(image, metadata={"Software": None})
        return image.getvalue()

    def displays(self) -> list[tuple[dict, dict]]:
        """Return what a cell shows: data and metadata of the image, then of the words."""
        words = f"<details><summary>{SUMMARY}</summary><p>{html.escape(self.text)}</p></details>"
        return [self._repr_mimebundle_(), ({"text/html": words}, {})]

    def __repr__(self) -> str:
        return self.text

    def _ipython_display_(self) -> None:
        for data, metadata in self.displays():
            display(data, metadata=metadata, raw=True)

    def _repr_mimebundle_(self, include=None, exclude=None):
        width, height = (round(inches * SHOWN_PER_INCH) for inches in self.figure.get_size_inches())
        png = base64.b64encode(self.png()).decode("ascii")
        named = (
            f'<img src="data:image/png;base64,{png}" alt="{html.escape(self.text)}"'
            f' width="{width}" height="{height}" style="{CARD}">'
        )
        data = {"image/png": png, "text/markdown": named, "text/plain": self.text}
        return data, {"image/png": {"width": width, "height": height, "alt": self.text}}
