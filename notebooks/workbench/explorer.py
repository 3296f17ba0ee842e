"""Sliders, a run button, and what a run shows.

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
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
from IPython.core.formatters import DisplayFormatter


@dataclass(frozen=True)
class Slider:
    """A slider of an `Explorer`.

    label: what is chosen, with its unit: "idle gap (s)".
    low, high: the ends of its range. Where both are whole numbers, only whole numbers are chosen.
    value: where it stands at the beginning.
    step: the smallest move; without one a hundredth of the range, or 1 for whole numbers.

    Raises ValueError unless low <= value <= high and low < high.
    """

    label: str
    low: float
    high: float
    value: float
    step: float | None = None

    def __post_init__(self) -> None:
        if not (self.low < self.high and self.low <= self.value <= self.high):
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
            layout={"width": "36em"},
        )


class Explorer:
    """Sliders for the arguments of an experiment, and a button that runs it.

    experiment: a coroutine function; it is called with the sliders' values as keyword arguments.
        What it returns is shown below the button: one object, or several in a tuple.
    sliders: a `Slider` for each argument, by name.

    As the last line of a cell it shows the sliders; where there are no widgets, as on GitHub, it
    says in words what they are. A run that fails shows its exception in the place of results.

    Raises TypeError for an experiment that is no coroutine function or does not take the sliders.
    """

    def __init__(self, experiment: Callable[..., Awaitable[Any]], **sliders: Slider) -> None:
        if not inspect.iscoroutinefunction(experiment):
            raise TypeError("the experiment must be a coroutine function: async def ...")
        inspect.signature(experiment).bind(**sliders)
        self.experiment = experiment
        self.sliders = sliders
        self._controls = {name: slider.widget() for name, slider in sliders.items()}
        self._button = widgets.Button(description="Run", button_style="primary")
        self._button.on_click(self._clicked)
        self._output = widgets.Output()
        self._box = widgets.VBox([*self._controls.values(), self._button, self._output])
        self._running: asyncio.Task | None = None

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

        An exception of the experiment is shown and returned.
        """
        self._button.disabled = True
        self._button.description = "Running …"
        try:
            result = await self.experiment(**self.values)
        except Exception as error:
            result = error
        finally:
            self._button.disabled = False
            self._button.description = "Run"
        self._show(result)
        return result

    def close(self) -> None:
        """End a run that is under way and remove the widgets. Does no harm when called twice."""
        if self._running is not None:
            self._running.cancel()
        for widget in (*self._controls.values(), self._button, self._output, self._box):
            for part in ("style", "layout"):  # widgets of their own, which their owner leaves open
                if hasattr(widget, part):
                    getattr(widget, part).close()
            widget.close()

    def _clicked(self, button: widgets.Button) -> None:
        # The button is disabled during a run, but a second click may be on its way already.
        if self._running is None or self._running.done():
            self._running = asyncio.get_running_loop().create_task(self.run())

    def _show(self, result: Any) -> None:
        shown = result if isinstance(result, tuple) else (result,)
        # Set as a whole, and not through `with self._output`: that would also catch what other
        # cells print while the experiment waits.
        self._output.outputs = tuple(_output_of(item) for item in shown)

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


def _output_of(item: Any) -> dict[str, Any]:
    """Return what a cell would show for this object, in the form of a stored output."""
    data, metadata = DisplayFormatter().format(item)
    return {"output_type": "display_data", "data": data, "metadata": metadata}
