"""The broken forms of the course as files: their sources, and where they come from."""

import ast

import pytest

from course import write_broken_forms
from course.broken import BROKEN_FORMS, BrokenForm


def functions(source):
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, kinds)]


@pytest.mark.parametrize("form", BROKEN_FORMS, ids=lambda form: form.name)
def test_a_form_with_and_without_annotations(form):
    bare = functions(form.source(annotated=False))
    assert all(function.returns is None for function in bare)
    for source in (form.source(annotated=True), form.cured()):
        assert all(function.returns is not None for function in functions(source))
        arguments = [a for function in functions(source) for a in function.args.args]
        assert all(a.annotation or a.arg == "self" for a in arguments)
        compile(source, form.name, "exec")


def test_each_form_differs_from_its_cure():
    assert all(form.source(annotated=True) != form.cured() for form in BROKEN_FORMS)


def test_the_forms_have_names_of_their_own():
    names = {form.name for form in BROKEN_FORMS}
    sources = {(form.exercise, form.answer) for form in BROKEN_FORMS}
    assert len(names) == len(sources) == len(BROKEN_FORMS)


def test_an_answer_that_is_not_there():
    with pytest.raises(LookupError, match="00-1 has no answer 'nobody'"):
        BrokenForm("nothing", "00-1", "nobody").source(annotated=False)


def test_files_of_each_form(tmp_path):
    forms = write_broken_forms(tmp_path)
    assert list(forms.values()) == [form.name for form in BROKEN_FORMS]
    for package in ("bare", "annotated", "as_installed", "cured"):
        written = {path.stem for path in (tmp_path / package).glob("form_*.py")}
        assert written == set(forms)
    first = [
        (tmp_path / package / "form_00.py").read_text() for package in ("bare", "as_installed")
    ]
    assert first[0] == first[1]
