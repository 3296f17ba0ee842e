"""A notebook that is open in JupyterLab: what a learner does in it, and what stands there then.

What is done goes through mouse and keyboard. What stands there is read from JupyterLab's own model
of the notebook (`--expose-app-in-browser`), and waited for: nothing here waits for a fixed time.
"""

from __future__ import annotations  # playwright is named in annotations only

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

MINUTE = 60_000  # milliseconds, as Playwright counts
PANEL = "[...jupyterapp.shell.widgets('main')].find(w => w.context?.path === path)"
# Done: each has its own number and none is running, or one has failed and the rest will not run.
OPEN = "async path => { await jupyterapp.commands.execute('docmanager:open', { path }); }"
STATE = f"""(path) => {{
    const panel = {PANEL};
    const kernel = panel.sessionContext.session?.kernel?.status;
    return panel.content.widgets.filter(cell => cell.model.type === 'code').map(cell => ({{
        number: cell.model.executionCount,
        busy: cell.model.executionState !== 'idle' || kernel !== 'idle',
        empty: cell.model.sharedModel.source.trim() === '',
        failed: cell.model.sharedModel.outputs.some(output => output.output_type === 'error'),
    }}));
}}"""


class Notebook:
    """The notebook at `path`, from JupyterLab's root, in front of the page."""

    def __init__(self, page: Page, path: str) -> None:
        self.page, self.path = page, path
        self.page.wait_for_function(
            f"path => {PANEL}?.sessionContext?.session?.kernel?.status === 'idle'",
            arg=path,
            timeout=MINUTE,
        )
        self.panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    @classmethod
    def open(cls, page: Page, path: str) -> Notebook:
        """Open a notebook by JupyterLab's command, as its list does on a double click."""
        page.evaluate(OPEN, path)
        return cls(page, path)

    def to_front(self) -> None:
        """Click on its tab."""
        tabs = self.page.locator("#jp-main-dock-panel .lm-TabBar-tab")
        tabs.filter(has_text=self.path.rpartition("/")[2]).click()

    def ask(self, script: str, *arguments: object):
        """Return what JavaScript says of the notebook: an expression with `panel` and `a`."""
        source = f"([path, a]) => {{ const panel = {PANEL}; return {script}; }}"
        return self.page.evaluate(source, [self.path, arguments])

    @property
    def cells(self) -> list[dict]:
        """The cells as JupyterLab would save them."""
        cells = self.ask("panel.content.model.toJSON().cells")
        for cell in cells:
            if not isinstance(cell["source"], str):
                cell["source"] = "".join(cell["source"])
        return cells

    def find(self, pattern: str) -> list[int]:
        """Return the numbers of the code cells whose source has this pattern."""
        found = re.compile(pattern, re.MULTILINE)
        return [
            number
            for number, cell in enumerate(self.cells)
            if cell["cell_type"] == "code" and found.search(cell["source"])
        ]

    def cell(self, number: int) -> Locator:
        """The cell on the page, scrolled to."""
        cell = self.panel.locator(".jp-Notebook .jp-Cell").nth(number)
        cell.scroll_into_view_if_needed()
        return cell

    def outputs(self, number: int) -> str:
        """Return what a code cell shows, as plain text."""
        return "\n".join(text_of(output) for output in self.cells[number]["outputs"])

    def errors(self) -> list[tuple[int, str]]:
        """Return (number of the cell, name of the exception) for each error that is shown."""
        return errors_of(self.cells)

    def run_all(self) -> None:
        """Run > Run All Cells, by the menu, and wait until each cell is done."""
        self.forget_numbers()
        self.menu("Run", "Run All Cells")
        self.wait_until_done()

    def menu(self, title: str, entry: str) -> None:
        """Choose an entry of the main menu with the mouse."""
        page = self.page
        page.locator("#jp-MainMenu .lm-MenuBar-itemLabel", has_text=title).first.click()
        exact = page.locator(".lm-Menu-itemLabel").filter(has_text=re.compile(f"^{entry}$"))
        exact.click()

    def forget_numbers(self) -> None:
        """Take the cells' numbers away: those that come are of the run that follows."""
        self.ask("panel.content.widgets.forEach(cell => cell.model.executionCount = null)")

    def wait_until_done(self, timeout: float = 3 * MINUTE) -> None:
        """Wait until each code cell has been run, or one of them has failed; none is running."""
        self.page.wait_for_function(
            f"""path => {{
                const cells = ({STATE})(path);
                const ran = cells.every(c => c.number || c.empty);
                const failed = cells.some(c => c.failed && c.number);
                return cells.every(c => !c.busy) && (ran || failed);
            }}""",
            arg=self.path,
            timeout=timeout,
        )

    def run(self, number: int) -> str:
        """Run a cell with Ctrl+Enter, wait until it is done, and return what it shows."""
        self.begin(number)
        self.page.wait_for_function(
            f"""([path, number]) => {{
                const panel = {PANEL}, model = panel.content.widgets[number].model;
                return model.executionCount && model.executionState === 'idle'
                    && panel.sessionContext.session?.kernel?.status === 'idle';
            }}""",
            arg=[self.path, number],
            timeout=MINUTE,
        )
        return self.outputs(number)

    def begin(self, number: int) -> None:
        """Run a cell with Ctrl+Enter, without waiting."""
        self.focus(number)
        self.ask("panel.content.widgets[a[0]].model.executionCount = null", number)
        self.page.keyboard.press("Control+Enter")

    def focus(self, number: int) -> None:
        """Click into a code cell."""
        self.cell(number).locator(".cm-content").click(position={"x": 2, "y": 8})

    def write(self, number: int, source: str) -> None:
        """Replace a code cell's source from the keyboard, as one paste."""
        self.focus(number)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)
        assert self.cells[number]["source"] == source

    def insert_below(self, number: int) -> int:
        """Make a cell of one's own below a cell, with Escape and B, and return its number."""
        self.focus(number)
        self.page.keyboard.press("Escape")
        self.page.keyboard.press("b")
        return number + 1

    def shut_down(self) -> None:
        """Save it, close it and end its kernel."""
        self.page.evaluate(
            f"""async path => {{
                const panel = {PANEL};
                await panel.context.save();
                await panel.sessionContext.shutdown();
                panel.dispose();
            }}""",
            self.path,
        )


def text_of(output: dict) -> str:
    """Return an output as plain text."""
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}"
    text = output.get("text") or output.get("data", {}).get("text/plain", "")
    return text if isinstance(text, str) else "".join(text)


def errors_of(cells: list[dict]) -> list[tuple[int, str]]:
    """Return (number of the cell, name of the exception) for each error that cells show."""
    return [
        (number, output["ename"])
        for number, cell in enumerate(cells)
        for output in cell.get("outputs", [])
        if output["output_type"] == "error"
    ]
