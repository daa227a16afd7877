"""The error tree: drawn once, told apart by code, whole after a trip between processes."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest
import rules

from workbench import errors
from workbench.errors import NotFoundError, WorkbenchError


def below(root: type[WorkbenchError]) -> list[type[WorkbenchError]]:
    return [root, *(error for child in root.__subclasses__() for error in below(child))]


TREE = [error for error in below(WorkbenchError) if error.__module__ == "workbench.errors"]


def defined() -> dict[str, tuple[str, str, str, int, int]]:
    """The classes in the form of ``rules.drawn_errors``."""
    rows = {}
    for error in TREE[1:]:
        second = error.__bases__[1].__name__ if len(error.__bases__) > 1 else ""
        row = (error.__bases__[0].__name__, second, error.code, error.http_status, error.exit_code)
        rows[error.__name__] = row
    return rows


def filled(error: type[WorkbenchError]) -> WorkbenchError:
    """An error with something in every field that its constructor takes."""
    values: dict[str, Any] = {"message": "No roster.", "hint": "lh ls", "details": {"near": ["rosters"]}}
    for name in inspect.signature(error).parameters:
        values.setdefault(name, 7.5)
    return error(values.pop("message"), **values)


def test_the_drawn_tree_is_the_tree() -> None:
    assert rules.drawn_errors(errors.__doc__ or "") == defined()
    assert len(defined()) > 10


def test_a_wrong_drawing_is_found() -> None:
    drawing = errors.__doc__ or ""
    for right, wrong in (
        ("404", "400"),
        ("(LookupError)", "(KeyError)   "),
        ("│   ├── QueryError", "├── QueryError    "),
    ):
        assert right in drawing
        assert rules.drawn_errors(drawing.replace(right, wrong, 1)) != defined()


def test_codes_are_unique() -> None:
    codes = [error.code for error in TREE]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.__name__)
def test_an_error_is_whole_after_pickling(error: type[WorkbenchError]) -> None:
    sent = filled(error)
    came = pickle.loads(pickle.dumps(sent))
    assert type(came) is error
    assert vars(came) == vars(sent)
    assert came.args == sent.args
    assert str(came) == str(sent)


@pytest.mark.parametrize("error", TREE, ids=lambda error: error.__name__)
def test_an_error_is_the_same_on_every_door(error: type[WorkbenchError]) -> None:
    raised = filled(error)
    assert raised.to_dict() == {
        "code": error.code,
        "message": "No roster.",
        "hint": "lh ls",
        "details": {"near": ["rosters"]},
    }
    assert str(raised) == "No roster.\nlh ls"
    shown = "\n".join(raised._render_traceback_())
    assert error.__name__ in shown
    assert "lh ls" in shown


def test_an_error_without_a_hint_is_one_line() -> None:
    bare = WorkbenchError("No roster.")
    assert str(bare) == "No roster."
    assert bare.to_dict() == {"code": "workbench", "message": "No roster."}
    assert len(bare._render_traceback_()) == 1


def test_what_was_not_found_names_near_matches() -> None:
    error = NotFoundError.named("dataset", "worker", ["workers", "placements"], hint="lh ls")
    assert str(error) == "No dataset is named 'worker'.\nDid you mean workers? lh ls"
    assert error.details == {"near": ["workers"]}


def test_without_a_near_match_it_names_what_there_is() -> None:
    assert "There are: orders, workers." in NotFoundError.named("dataset", "zzz", ["workers", "orders"]).hint
    assert "There is no dataset yet." in NotFoundError.named("dataset", "workers", []).hint
    many = NotFoundError.named("dataset", "zzz", [f"table_{number}" for number in range(20)]).hint
    assert many.endswith(" ….")
