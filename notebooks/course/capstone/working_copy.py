"""The learner's copy of the service: where it lies, and how it is opened.

Lesson 11 makes it. It is never overwritten. It lies beside the notebook; where that folder cannot
be written to, as a hub's shared one, in the first folder that can.
"""

import ast
import contextlib
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import platformdirs
from jupyter_core.paths import jupyter_runtime_dir

import services
from workbench.diary import OWN_FOLDER
from workbench.message import Message

ORIGINAL = Path(services.__file__).with_name("storefront.py")
NAME = "my_storefront.py"


def working_copy(folder: str | Path = ".") -> Path:
    """Return the path of the copy, and make it if it is not there.

    It lies in `folder`, or else in the folder that JupyterLab shows, in the user's data folder or
    in a temporary one that is this user's alone, whichever can be written to first.

    Raises `OSError` if none can.
    """
    failure: OSError | None = None
    for place in (Path(folder), *_other_folders()):
        try:
            return _copy_in(place)
        except OSError as error:
            failure = failure or error
    raise OSError(f"no folder for {NAME} can be written to: {failure}")


def how_to_open(path: Path) -> Message:
    """Return where the copy is, and how to open it in JupyterLab."""
    root, path = server_root(), path.resolve()
    beside = path.parent == Path.cwd()
    title = f"{path.name} lies beside this notebook"
    if not beside:
        title = f"{path.name} lies elsewhere, since this notebook's folder cannot be written to"
    shown = beside if root is None else path.is_relative_to(root) and not _is_hidden(path, root)
    if shown and beside:
        words = "In JupyterLab it is in the list at the left: a double click opens it."
    elif shown:
        words = f"In JupyterLab, choose File, Open from Path, and type `{path.relative_to(root)}`."
    else:
        words = (
            f"It is `{path}`, which JupyterLab does not show. Open it in an editor of your own. "
            f"Or edit it here: run `%load {path}` in a new cell, put `%%writefile {path}` on top "
            "of what comes, and run that cell to save it."
        )
    return Message(title, [words])


def server_root() -> Path | None:
    """Return the folder that this kernel's Jupyter server shows; None where that is not known.

    A Jupyter server starts its kernels itself, and has a runtime file that names its folder.
    """
    server = Path(jupyter_runtime_dir(), f"jpserver-{os.getppid()}.json")
    try:
        return Path(json.loads(server.read_text(encoding="utf-8"))["root_dir"]).resolve()
    except (OSError, ValueError, KeyError):
        return None


def is_untouched(path: Path) -> bool:
    """Whether a file other than the original holds the same code, comments and blanks aside."""
    if path.resolve() == ORIGINAL.resolve():
        return False
    try:
        own, original = (ast.dump(ast.parse(p.read_bytes())) for p in (path, ORIGINAL))
    except (OSError, SyntaxError, ValueError):
        return False
    return own == original


def _other_folders() -> Iterator[Path]:
    if (root := server_root()) is not None:
        yield root
    yield platformdirs.user_data_path(OWN_FOLDER)
    if (own := _own_temporary_folder()) is not None:
        yield own


def _own_temporary_folder() -> Path | None:
    """Return the folder of the temporary one that only this user may enter; None if there is none.

    It has the user's number in its name, so that it is found again. The temporary folder may be
    open to all: one of that name which another has made, or left open to others, is not used.
    """
    user = os.getuid() if hasattr(os, "getuid") else ""  # on Windows the whole folder is private
    folder = Path(tempfile.gettempdir(), f"{OWN_FOLDER}-{user}".rstrip("-"))
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700)
    try:
        found = folder.lstat()
    except OSError:
        return None
    private = user == "" or (found.st_uid == user and not found.st_mode & 0o077)
    return folder if stat.S_ISDIR(found.st_mode) and private else None


def _copy_in(folder: Path) -> Path:
    """Return the copy in a folder. Raises `OSError` if it is not there and cannot be made."""
    path = folder / NAME
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(f"{path} cannot be written to")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8", newline="\n") as copy:
            copy.write(ORIGINAL.read_text(encoding="utf-8"))
    except FileExistsError:
        pass
    return path


def _is_hidden(path: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(root).parts)
