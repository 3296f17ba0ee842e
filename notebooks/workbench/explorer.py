"""Sliders, a button that runs an experiment and one that stops it, and what a run shows.

    async def experiment(gap, latency):
        ...
        return tally, picture

    explorer = Explorer(
        experiment,
        gap=Slider("idle gap (s)", 0.0, 2.0, 0.8),
        latency=Slider("one-way latency (s)", 0.0, 0.3, 0.1),
    )
    explorer

The experiment is an ordinary coroutine function: a cell or a test can await it without a widget.
"""

import asyncio
import html
import inspect
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import ipywidgets as widgets
from IPython.core.formatters import DisplayFormatter

from server.ledger import clock

# The style goes with the line, so that it is there wherever the explorer is shown.
_STATUS = "<style>.workbench-old {{ opacity: 0.35; }}</style><span role='status'>{}</span>"


@dataclass(frozen=True)
class Slider:
    """A slider of an `Explorer`.

    label: what is chosen, with its unit: "idle gap (s)".
    low, high: the ends of its range. value: where it stands at the beginning. Where each of the
    three is an `int`, only whole numbers are chosen.
    step: the smallest move; without one a hundredth of the range, or 1 for whole numbers.

    Raises ValueError unless low <= value <= high and low < high.
    """

    label: str
    low: float
    high: float
    value: float
    step: float | None = None

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"{self.label}: {self.low:g} is not below {self.high:g}")
        if not self.low <= self.value <= self.high:
            raise ValueError(
                f"{self.label}: {self.value:g} does not lie within {self.low:g} to {self.high:g}"
            )

    @property
    def whole(self) -> bool:
        """Whether only whole numbers are chosen."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.value))

    def describe(self) -> str:
        """Return the slider in words."""
        return f"{self.label} from {self.low:g} to {self.high:g}, at first {self.value:g}"

    def widget(self) -> widgets.IntSlider | widgets.FloatSlider:
        """Return a new widget for this slider."""
        kind = widgets.IntSlider if self.whole else widgets.FloatSlider
        return kind(
            value=self.value,
            min=self.low,
            max=self.high,
            step=self.step or (1 if self.whole else (self.high - self.low) / 100),
            description=self.label,
            continuous_update=False,
            style={"description_width": "14em"},
            layout={"width": "36em", "max_width": "98%"},  # and no wider than its cell
        )


class Explorer:
    """Sliders for the arguments of an experiment, a button that runs it, and one that stops it.

    experiment: a coroutine function; it is called with the sliders' values as keyword arguments.
        What it returns is shown below the buttons: one object, or several in a tuple.
    sliders: a `Slider` for each argument, by name.

    As the last line of a cell it shows the sliders; where there are no widgets, as on GitHub, it
    says in words what they are. A line above the results says with which values they were made.
    As soon as a slider moves or a run begins, they are dimmed and called old. A run that fails
    shows why in the place of results.

    Raises TypeError for an experiment that is no coroutine function or does not take the sliders.
    """

    def __init__(self, experiment: Callable[..., Awaitable[Any]], **sliders: Slider) -> None:
        if not inspect.iscoroutinefunction(experiment):
            raise TypeError("the experiment must be a coroutine function: async def ...")
        inspect.signature(experiment).bind(**sliders)
        self.experiment = experiment
        self.sliders = sliders
        self._controls = {name: slider.widget() for name, slider in sliders.items()}
        for control in self._controls.values():
            control.observe(self._moved, "value")
        self._button = widgets.Button(description="Run", button_style="primary")
        self._button.on_click(self._clicked)
        self._stop_button = widgets.Button(description="Stop", disabled=True)
        self._stop_button.on_click(self.stop)
        self._status = widgets.HTML(_STATUS.format("Not run yet."))
        self._output = widgets.Output()
        self._buttons = widgets.HBox([self._button, self._stop_button])
        self._box = widgets.VBox(
            [*self._controls.values(), self._buttons, self._status, self._output]
        )
        self._shown: dict[str, float] | None = None  # the values behind what is shown
        self._running: asyncio.Task | None = None  # what the button started
        self._experiment: asyncio.Future | None = None

    @property
    def values(self) -> dict[str, float]:
        """Where the sliders stand, by the name of their argument."""
        return {name: control.value for name, control in self._controls.items()}

    def set(self, **values: float) -> None:
        """Move sliders: `explorer.set(gap=0.5)`. A value out of its range is moved to its end.

        Raises KeyError for a name that has no slider.
        """
        for name, value in values.items():
            self._controls[name].value = value

    async def run(self) -> Any:
        """Run the experiment as the button does, show what came of it, and return that.

        An exception of the experiment is shown and returned; None is returned of a stopped run.
        """
        values, result = self.values, None
        self._experiment = asyncio.ensure_future(self.experiment(**values))
        self._button.disabled, self._button.description = True, "Running …"
        self._stop_button.disabled = False
        self._moved()
        telling = asyncio.create_task(self._tell_time(values))
        try:
            # Not `await`: stopping cancels the experiment, and must not look like our own cancel.
            await asyncio.wait({self._experiment})
            if not self._experiment.cancelled():
                result = self._experiment.exception() or self._experiment.result()
                self._show(result, values)
        finally:
            telling.cancel()
            self._experiment.cancel()
            self._button.disabled, self._button.description = False, "Run"
            self._stop_button.disabled = True
            stopped, self._experiment = self._experiment.cancelled(), None
            self._say("Stopped." if stopped else "")
        return result

    def stop(self, button: widgets.Button | None = None) -> None:
        """Cancel the run that is under way, if there is one, as the Stop button does."""
        if self._experiment is not None:
            self._experiment.cancel()

    def close(self) -> None:
        """End a run that is under way and remove the widgets. Does no harm when called twice."""
        if self._running is not None:
            self._running.cancel()
        inside = (*self._controls.values(), self._button, self._stop_button, self._status)
        for widget in (*inside, self._output, self._buttons, self._box):
            for part in ("style", "layout"):  # widgets of their own, which their owner leaves open
                if hasattr(widget, part):
                    getattr(widget, part).close()
            widget.close()

    def _clicked(self, button: widgets.Button) -> None:
        # The button is disabled during a run, but a second click may be on its way already.
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self.run())

    def _moved(self, change: Any = None) -> None:
        if self._experiment is None:
            self._say()

    async def _tell_time(self, values: dict[str, float]) -> None:
        begin = clock()
        while True:
            self._say(f"Running for {clock() - begin:.0f} s with {self._in_words(values)}.")
            await asyncio.sleep(1)

    def _say(self, first: str = "") -> None:
        """Write the line above the results, and dim these where they are not the sliders'."""
        stale = self._experiment is not None or self._shown != self.values
        words = [first]
        if self._shown is not None:
            made = self._in_words(self._shown)
            if stale:
                words.append(f"<b>Old result</b>, from the run with {made}.")
            else:
                words.append(f"Result of the run with {made}.")
        if self._experiment is None and stale:
            words.append("Press Run for where the sliders stand now.")
        self._status.value = _STATUS.format(" ".join(words).strip())
        if stale:
            self._output.add_class("workbench-old")
        else:
            self._output.remove_class("workbench-old")

    def _in_words(self, values: dict[str, float]) -> str:
        return ", ".join(
            f"{html.escape(self.sliders[name].label)} {value:g}" for name, value in values.items()
        )

    def _show(self, result: Any, values: dict[str, float]) -> None:
        self._shown = values
        shown = result if isinstance(result, tuple) else (result,)
        # Set as a whole, and not through `with self._output`: that would also catch what other
        # cells print while the experiment waits.
        self._output.outputs = tuple(output for item in shown for output in _outputs_of(item))

    def __repr__(self) -> str:
        sliders = "; ".join(slider.describe() for slider in self.sliders.values())
        return f"Explorer, to be used in a running notebook. Its sliders: {sliders}."

    def _repr_mimebundle_(self, include=None, exclude=None):
        # The widget is what JupyterLab prefers; the others are for GitHub, nbviewer and the tests.
        sliders = (html.escape(slider.describe()) for slider in self.sliders.values())
        items = "".join(f"<li>{slider}</li>" for slider in sliders)
        described = (
            f"<p>Explorer, to be used in a running notebook. Its sliders:</p><ul>{items}</ul>"
        )
        texts = {"text/plain": repr(self), "text/html": described}
        return {**(self._box._repr_mimebundle_() or {}), **texts}


def _outputs_of(item: Any) -> Iterator[dict[str, Any]]:
    """Give what a cell would show for this object, in the form of stored outputs."""
    if isinstance(item, BaseException):
        words = _why_it_failed(item)
        shown = [({"text/plain": words, "text/html": f"<p>{html.escape(words)}</p>"}, {})]
    elif hasattr(item, "displays"):  # a picture, or what draws one
        shown = item.displays()
    else:
        shown = [DisplayFormatter().format(item)]
    for data, metadata in shown:
        yield {"output_type": "display_data", "data": data, "metadata": metadata}


def _why_it_failed(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    words = f"The run failed: {said.rstrip('.')}."
    if isinstance(error, httpx.ConnectError) or "not running" in str(error):
        words += (
            " If the notebook has stopped its server (its last cell does), start it again with "
            "server.start() in a cell, then press Run."
        )
    return words
