"""The repository's own files: what stands at the top, the one list of dependencies, README."""

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
REQUIREMENT = re.compile(r"(?:([\w-]+)~=\d+(?:\.\d+)+|-e \.) +# \S+ \S+")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
LESSON_ROW = re.compile(r"^\| \[[^\]]+\]\(([^)]+)\) \| (\d+) \| .+ \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def committed(git):
    """The files that git knows, as paths from the root."""
    return [Path(name) for name in git("ls-files", "-z").split("\0") if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def readme():
    return (ROOT / "README.md").read_text(encoding="utf-8")


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


# requirements.txt


def requirement_lines():
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.mark.parametrize("line", requirement_lines())
def test_each_requirement_is_compatible_and_has_its_reason(line):
    assert REQUIREMENT.match(line)


def test_what_is_imported_is_required():
    required = {match[1] for line in requirement_lines() if (match := REQUIREMENT.match(line))}
    distributions = packages_distributions()
    missing = set()
    for path in sources():
        own = {
            "server",
            "course",
            "services",
            "workbench",
            *(sibling.stem for sibling in path.parent.iterdir()),
        }
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


# README.md


def test_readme_links_lead_to_files(readme):
    for _, _, target in LINK.findall(readme):
        if not target.startswith("https://"):
            assert (ROOT / target).exists(), target


def test_readme_images_have_an_alternative_text(readme):
    images = [(text, target) for mark, text, target in LINK.findall(readme) if mark]
    assert images
    for text, target in images:
        assert len(text.split()) > 2, target


def test_readme_map_lists_every_lesson_with_its_minutes(readme):
    lessons = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    assert [target for target, _ in LESSON_ROW.findall(readme)] == [
        f"notebooks/{name}" for name in lessons
    ]


def test_readme_commands_name_files_that_are_there(readme):
    commands = [command for language, command in BLOCK.findall(readme) if language == "bash"]
    named = re.findall(r"(?<!\S)(?!\.venv)[\w./-]+\.(?:txt|py|ipynb)\b", " ".join(commands))
    assert "requirements.txt" in named
    for name in named:
        assert (ROOT / name).is_file(), name


def test_readme_gives_each_setup_for_windows_too(readme):
    blocks = BLOCK.findall(readme)
    setups = [block for language, block in blocks if language == "bash" and "-m venv" in block]
    windows = [block for language, block in blocks if language == "powershell"]
    assert len(setups) == 2
    assert windows == [
        setup.replace("python3 ", "py ").replace(".venv/bin/", ".venv/Scripts/").replace("/", "\\")
        for setup in setups
    ]


def test_readme_and_ci_run_the_same_tests(readme):
    """The README's test command is pytest without a word more, as in .ci/run."""
    assert "-m pytest\n```" in readme
    assert "\npytest\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_imports_go_one_way():
    command = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run(
        [command, "--no-cache"], cwd=ROOT, capture_output=True, encoding="utf-8", check=False
    )
    assert done.returncode == 0, done.stdout
