"""The templates that checkov checks, in which every condition is decided."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.checks.lint_variants import VARIANTS, variants, write_variants
from infra.settings import ROOT
from infra.templates.rendering import Rendered
from tests.infra.rendered import NAMES, template

_ON_EMULATORS = {
    *((app, name, True) for app in ("api", "worker") for name in ("HasRestApiId", "EventsOnEmulator")),
    ("worker", "AnswersTasksOnEmulator", True),
    ("foundation", "TlsRequired", False),
    ("operations", "TlsRequired", False),
}
TEMPLATES = {name: template(name) for name in NAMES}
FOUND = variants(TEMPLATES)


def test_every_condition_is_decided() -> None:
    assert len(FOUND) == 12
    text = json.dumps(FOUND)
    for word in ("Fn::If", "AWS::NoValue", "Conditions"):
        assert word not in text


def test_every_condition_is_true_in_one_variant_and_false_in_another() -> None:
    """Conditions for emulators are excepted."""
    seen = {
        (name, condition, Rendered(source, **taken(source, parameters)).is_true(condition))
        for name, source in TEMPLATES.items()
        for parameters in VARIANTS.values()
        for condition in source["Conditions"]
    }
    wanted = {
        (name, each, way)
        for name, source in TEMPLATES.items()
        for each in source["Conditions"]
        for way in (True, False)
    }
    assert wanted - seen == _ON_EMULATORS


def taken(source: dict[str, Any], parameters: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in parameters.items() if key in source["Parameters"]}


@pytest.mark.parametrize(("variant", "own"), [("defaults", False), ("customer-managed", True)])
def test_keys_exist_only_in_variants_that_ask_for_them(variant: str, *, own: bool) -> None:
    foundation = FOUND[f"foundation.{variant}.json"]["Resources"]
    assert ("KmsMasterKeyId" in foundation["CommandsQueue"]["Properties"]) is own
    assert ("EncryptionKey" in foundation) is own
    assert ("KmsMasterKeyId" in FOUND[f"operations.{variant}.json"]["Resources"]["Topic"]["Properties"]) is own
    groups = [
        each["Properties"]
        for app in ("api", "worker")
        for each in FOUND[f"{app}.{variant}.json"]["Resources"].values()
        if each["Type"] == "AWS::Logs::LogGroup"
    ]
    assert len(groups) == (6 if own else 4), "with a key the variant has events, too"
    assert {"KmsKeyId" in each for each in groups} == {own}


def test_everything_except_conditions_is_unchanged() -> None:
    queue = FOUND["foundation.defaults.json"]["Resources"]["CommandsQueue"]
    original = TEMPLATES["foundation"]["Resources"]["CommandsQueue"]
    assert queue["Properties"]["RedrivePolicy"] == original["Properties"]["RedrivePolicy"]
    assert queue["Metadata"] == original["Metadata"], "checkov's skips"
    policy = FOUND["foundation.defaults.json"]["Resources"]["CommandsQueuePolicy"]["Properties"]["PolicyDocument"]
    assert policy["Statement"][0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_files_of_an_earlier_run_are_deleted_before_the_check(tmp_path: Path) -> None:
    (tmp_path / "earlier.json").write_text("{}")
    write_variants(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(FOUND)
    recipe = (ROOT / "Makefile").read_text().partition("\nlint:")[2].partition("\n\n")[0]
    assert "infra.checks.lint_variants" in recipe
    assert "-d build/lint" in recipe
    assert "infra/checks/validate_templates.py $(TEMPLATES) build/lint/*.json" in recipe


def test_every_skipped_finding_has_a_reason() -> None:
    for name, source in TEMPLATES.items():
        for logical, resource in source["Resources"].items():
            for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
                assert set(skip) == {"id", "comment"}, (name, logical)
                assert len(skip["comment"]) > 20, (name, logical)
