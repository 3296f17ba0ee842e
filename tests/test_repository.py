"""The repository's own files: what stands at the top, the list of dependencies, the arrows."""

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import nbformat
import pytest
from form import MACHINE_PATH

ROOT = Path(__file__).resolve().parent.parent
TOP_LEVEL = {
    *("README.md", "LICENSE", "requirements.txt", "pyproject.toml"),
    *("server", "notebooks", "tests", "binder"),
}
MOST_LINES_OF_A_FILE, MOST_LINES_OF_A_FUNCTION = 350, 50
REQUIREMENT = re.compile(r"(?:([\w-]+)~=\d+(?:\.\d+)+|-e \.) +# \S+ \S+")


@pytest.fixture(scope="module")
def committed(git):
    """The files that git knows, as paths from the root."""
    return [Path(name) for name in git("ls-files", "-z").split("\0") if (ROOT / name).is_file()]


def test_the_top_level_holds_what_the_readme_explains(committed):
    top = {path.parts[0] for path in committed}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


def test_no_committed_text_names_a_path_of_a_machine(committed):
    leaks = []
    for path in committed:
        try:
            lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            continue  # a picture
        for number, line in enumerate(lines, start=1):
            if found := MACHINE_PATH.search(line):
                leaks.append(f"{path}:{number}: {line[found.start() : found.end() + 30]}")
    assert not leaks, "\n".join(leaks)


# requirements.txt, and tests/requirements.txt


def requirement_lines():
    files = (ROOT / "requirements.txt", ROOT / "tests" / "requirements.txt")
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("line", requirement_lines())
def test_each_requirement_is_compatible_and_has_its_reason(line):
    assert REQUIREMENT.match(line)


def test_what_is_imported_is_required():
    required = {match[1] for line in requirement_lines() if (match := REQUIREMENT.match(line))}
    distributions = packages_distributions()
    missing = set()
    shared = {path.stem for path in (ROOT / "tests").iterdir()}  # pytest's pythonpath
    packages = {"server", "course", "services", "workbench"}
    for path in sources():
        own = packages | shared | {sibling.stem for sibling in path.parent.iterdir()}
        for module in imported(path) - own - sys.stdlib_module_names:
            names = {name.lower().replace("_", "-") for name in distributions.get(module, ())}
            if not required & names:
                missing.add(f"{path.name}: {module}")
    assert not missing


def sources():
    """Every Python file and notebook of the course."""
    for folder in ("server", "notebooks", "tests"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".ipynb"} and ".ipynb_checkpoints" not in path.parts:
                yield path


def test_files_and_functions_stay_short():
    long = []
    for path in sources():
        if path.suffix == ".py":
            text = path.read_text(encoding="utf-8")
            long += [path.name] * (len(text.splitlines()) > MOST_LINES_OF_A_FILE)
            long += [
                f"{path.name}: {node.name}"
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                and node.end_lineno - node.lineno >= MOST_LINES_OF_A_FUNCTION
            ]
    assert not long


def imported(path):
    """The top-level modules that a Python file or a notebook imports."""
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        texts = [cell.source for cell in cells if cell.cell_type == "code"]
    else:
        texts = [path.read_text(encoding="utf-8")]
    modules = set()
    for text in texts:
        code = re.sub(r"^[%!].*", "", text, flags=re.MULTILINE)
        flags = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        for node in ast.walk(compile(code, path.name, "exec", flags)):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules.add(node.module.partition(".")[0])
    return modules


def test_imports_go_one_way():
    pytest.importorskip("importlinter", reason="needs tests/requirements.txt")
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout
