"""Load a service from a file, or say what is wrong with the file and in which line."""

import contextlib
import itertools
import os
import sys
import traceback
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

_numbers = itertools.count(1)


class Unusable(Exception):
    """The file holds no service that can be started. Says why, and names the line if there is one.

    line: its number, or None.
    """

    def __init__(self, words: str, line: int | None = None) -> None:
        super().__init__(words)
        self.line = line


@contextlib.contextmanager
def loaded(path: Path, upstream: str) -> Iterator[Any]:
    """Give the `app` of a service's file, which finds `upstream` in the variable UPSTREAM_URL.

    The file is run anew, under a module name of its own, which is forgotten after the block.

    Raises `Unusable`.
    """
    name = f"judged_service_{next(_numbers)}"
    module = types.ModuleType(name)
    module.__file__ = str(path)
    with mock.patch.dict(os.environ, UPSTREAM_URL=upstream):
        sys.modules[name] = module  # where dataclasses and typing look for it
        try:
            _run(path, module)
            yield _app_of(path, module)
        finally:
            del sys.modules[name]
            # FastAPI's caches keep its functions, and those would keep a client that nobody closed.
            vars(module).clear()


def _run(path: Path, module: types.ModuleType) -> None:
    try:
        source = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Unusable(f"There is no file {path.name}.") from None
    except OSError as error:
        raise Unusable(f"{path.name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError as error:
        raise Unusable(f"{path.name} is not UTF-8 text: {error.reason}.") from None
    try:
        exec(compile(source, str(path), "exec"), vars(module))
    except SyntaxError as error:
        raise Unusable(
            f"{path.name}, line {error.lineno}: {type(error).__name__}: {error.msg}\n"
            f"    {(error.text or '').strip()}",
            error.lineno,
        ) from None
    except (Exception, SystemExit) as error:
        where, line = line_of(error, path)
        raise Unusable(
            f"{where}: {type(error).__name__}: {error}\n    {source_line(source, line)}", line
        ) from None


def _app_of(path: Path, module: types.ModuleType) -> Any:
    app = getattr(module, "app", None)
    if app is None:
        raise Unusable(f"{path.name} has no `app`: the service is a FastAPI object of that name.")
    if not callable(app):
        raise Unusable(f"`app` in {path.name} is no ASGI application, but {type(app).__name__}.")
    return app


def line_of(error: BaseException, path: Path) -> tuple[str, int | None]:
    """Return "file, line n" for the last line of the file that an exception came through.

    The name alone, and None, if it came through none.
    """
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if _is(frame, path)]
    return (f"{path.name}, line {lines[-1]}", lines[-1]) if lines else (path.name, None)


def _is(frame: types.FrameType, path: Path) -> bool:
    return frame.f_code.co_filename == str(path)


def source_line(source: str, number: int | None) -> str:
    """Return a line of a source, without its indentation."""
    lines = source.splitlines()
    return lines[number - 1].strip() if number and number <= len(lines) else ""
