"""All errors of a refusal are reported, in a batch for each command."""

from __future__ import annotations

import pytest

from jobpipe_client.cli.importing.reading.rows import make_pointers_relative
from jobpipe_client.problem import PREFIX, Problem
from tests.helpers.pipeline import Pipeline

BAD = [
    {"operation": "create", "item": {"name": "", "id": "mine", "x": ["\0"]}},
    {"operation": "read", "item_id": 5, "a/b": 1},
    {"operation": "create", "item": {"name": "n"}},
]
TOLD = [
    [
        ("item/description", "An item needs a description."),
        ("item/id", "The id is assigned by the service and must not be in the body."),
        ("item/name", "The name must not be blank."),
        ("item/x/0", "Text must not have a NUL character."),
    ],
    [
        ("", "A command to read must not have a member 'a/b'."),
        ("item_id", "An item id must be a non-empty string."),
    ],
    [("item/description", "An item needs a description.")],
]


@pytest.fixture
def refused() -> list[Problem]:
    """The client's problems for the service's answer to a batch without a valid command."""
    answer = Pipeline().request("POST", "/batches", {"commands": BAD})
    problems = Problem.of(answer.json, status=answer.status).of_commands(len(BAD))
    assert problems is not None
    return problems


def test_a_problem_is_shown_with_the_id_of_the_other_document() -> None:
    raw = {"type": f"{PREFIX}not-unique", "detail": "Another order has the invoice 7.", "status": 409}
    assert str(Problem.of(raw, status=409)) == "409 not-unique: Another order has the invoice 7."
    raw |= {"errors": [{"pointer": "#/invoice", "detail": raw["detail"]}], "existing": "5f0c"}
    assert str(Problem.of(raw, status=409)) == (
        "409 not-unique: #/invoice: Another order has the invoice 7. Its id is 5f0c."
    )


def test_each_command_of_a_batch_keeps_all_of_its_errors(refused: list[Problem]) -> None:
    for place, (problem, told) in enumerate(zip(refused, TOLD, strict=True)):
        under = f"#/commands/{place}"
        expected = [(f"{under}/{where}" if where else under, detail) for where, detail in told]
        assert [(error["pointer"], error["detail"]) for error in problem.errors] == expected
        assert problem.detail == told[0][1]


def test_an_import_reports_all_errors_of_its_row(refused: list[Problem]) -> None:
    for problem, told in zip(refused, TOLD, strict=True):
        of_command = [(f"#/{where}" if where else "#", detail) for where, detail in told]
        of_document = [(where.replace("#/item/", "#/"), detail) for where, detail in of_command]
        for to_document, expected in ((False, of_command), (True, of_document)):
            words = "; ".join(f"{where}: {detail}" for where, detail in expected)
            relative = make_pointers_relative(str(problem), to_document=to_document)
            assert relative == f"400 invalid-request: {words}"
