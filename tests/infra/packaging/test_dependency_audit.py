"""The exit status of `make audit-dependencies` distinguishes "no advisories", "advisories" and "no answer"."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from infra.checks.dependency_audit import IGNORED, NO_ANSWER, VULNERABLE, Ignored, audit, read_ignored
from infra.environments.locked_requirements import Locked
from infra.errors import OperatorError

TODAY = date(2026, 11, 23)
HASHES = frozenset({"0" * 64})
ONE, OTHER = Locked("one", "1.0", HASHES), Locked("other", "2.0", HASHES)
KNOWN = {"id": "PYSEC-1", "aliases": ["CVE-1", "GHSA-1"], "fix_versions": ["1.1"]}
IGNORES = Ignored("GHSA-1", "one", "never called", TODAY)

# A stand-in for pip-audit: its first argument has the advisories for the versions in the requirements file.
PROGRAM = """
import json, re, sys
answers = json.loads(sys.argv[1])
path = sys.argv[sys.argv.index("--requirement") + 1]
pins = [re.match(r"(\\S+)==(\\S+) --hash=", line).groups() for line in open(path)]
assert len({name for name, _ in pins}) == len(pins), "two versions of one name"
known = [
    {"name": name, "version": version, "vulns": answers[name + " " + version]}
    if (name + " " + version) in answers else {"name": name, "skip_reason": "not found"}
    for name, version in pins
]
print(json.dumps({"dependencies": known, "fixes": []}))
print("Found something", file=sys.stderr)
sys.exit(any(answers.values()))
"""


def run(answers: dict[str, Any], locks: dict[str, list[Locked]], *ignored: Ignored, today: date = TODAY) -> int:
    return audit([sys.executable, "-c", PROGRAM, json.dumps(answers)], locks, list(ignored), today)


def test_no_advisories(capsys: pytest.CaptureFixture[str]) -> None:
    assert run({"one 1.0": [], "other 2.0": []}, {"a": [ONE], "b": [ONE, OTHER]}) == 0
    assert capsys.readouterr().out == "2 versions, 0 advisories\n"


def test_an_advisory_is_printed_with_its_aliases_and_the_locks_that_have_the_version(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run({"one 1.0": [KNOWN], "other 2.0": []}, {"a": [ONE], "b": [OTHER], "c": [ONE]}) == VULNERABLE
    assert capsys.readouterr().out.splitlines() == [
        "one 1.0: CVE-1 GHSA-1 PYSEC-1; fixed in 1.1; in a, c",
        "2 versions, 1 advisories",
    ]


def test_both_versions_of_one_name_are_audited(capsys: pytest.CaptureFixture[str]) -> None:
    newer = Locked("one", "1.1", HASHES)

    assert run({"one 1.0": [KNOWN], "one 1.1": []}, {"a": [ONE], "b": [newer]}) == VULNERABLE
    assert "one 1.0: " in capsys.readouterr().out


def test_a_version_that_the_service_does_not_know_has_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run({"one 1.0": []}, {"a": [ONE, OTHER]}) == NO_ANSWER
    shown = capsys.readouterr()
    assert shown.err == "audit-dependencies: no answer about 1 of 2 versions: the service does not know other 2.0\n"
    assert shown.out == "2 versions, 0 advisories\n"


def test_an_advisory_is_printed_though_another_version_has_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert run({"one 1.0": [KNOWN]}, {"a": [ONE, OTHER]}) == VULNERABLE
    shown = capsys.readouterr()
    assert "one 1.0: CVE-1 GHSA-1 PYSEC-1; fixed in 1.1; in a" in shown.out
    assert "the service does not know other 2.0" in shown.err
    assert run({"one 1.0": [KNOWN]}, {"a": [ONE, OTHER]}, IGNORES) == NO_ANSWER, "an ignored advisory is no finding"


def test_an_entry_is_not_called_superfluous_while_a_version_has_no_answer(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run({"other 2.0": []}, {"a": [ONE, OTHER]}, IGNORES) == NO_ANSWER
    assert "remove the entry" not in capsys.readouterr().out


def test_an_advisory_is_printed_though_a_later_request_fails(capsys: pytest.CaptureFixture[str]) -> None:
    newer = Locked("one", "1.1", HASHES)
    program = PROGRAM.replace("known = [", "assert pins[0][1] != '1.1', 'no connection'\nknown = [")
    answers = json.dumps({"one 1.0": [KNOWN]})

    assert audit([sys.executable, "-c", program, answers], {"a": [ONE, newer]}, [], TODAY) == VULNERABLE
    shown = capsys.readouterr()
    assert "one 1.0: CVE-1" in shown.out
    assert "1 of 2 versions: AssertionError: no connection; asked about one 1.1" in shown.err


def test_an_unreachable_service_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    program = [sys.executable, "-c", "import sys; sys.exit('Traceback:\\n  much\\nConnectionError: no connection')"]

    assert audit(program, {"a": [ONE]}, [], TODAY) == NO_ANSWER
    assert capsys.readouterr().err == (
        "audit-dependencies: no answer about 1 of 1 versions: ConnectionError: no connection; asked about one 1.0\n"
    )


@pytest.mark.parametrize(
    ("entry", "today", "status"),
    [
        (IGNORES, TODAY, 0),
        (IGNORES, TODAY + timedelta(days=1), VULNERABLE),
        (Ignored("GHSA-2", "one", "another", TODAY), TODAY, VULNERABLE),
        (Ignored("GHSA-1", "other", "another", TODAY), TODAY, VULNERABLE),
    ],
    ids=["ignored", "expired", "another advisory", "another package"],
)
def test_an_advisory_is_ignored_by_any_of_its_ids_until_its_day(entry: Ignored, today: date, status: int) -> None:
    assert run({"one 1.0": [KNOWN]}, {"a": [ONE]}, entry, today=today) == status


def test_a_superfluous_entry_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    assert run({"one 1.0": []}, {"a": [ONE]}, IGNORES) == 0
    assert "GHSA-1 of one no longer applies; remove the entry" in capsys.readouterr().out


def test_entries_of_this_checkout_end_within_half_a_year() -> None:
    half_a_year_on = datetime.now(UTC).date() + timedelta(days=183)

    assert [entry for entry in read_ignored(IGNORED) if entry.until > half_a_year_on] == []


@pytest.mark.parametrize(
    "text",
    [
        '[[advisory]]\nid = "GHSA-1"\npackage = "one"\nuntil = 2026-12-01\n',
        '[[advisory]]\nid = "GHSA-1"\npackage = "one"\nreason = ""\nuntil = 2026-12-01\n',
        '[[advisory]]\nid = "GHSA-1"\npackage = "one"\nreason = "r"\n',
        '[[advisory]]\nid = "GHSA-1"\npackage = "one"\nreason = "r"\nuntil = "2026-12-01"\n',
        '[[advisory]]\nid = "GHSA-1"\npackage = "one"\nreason = "r"\nuntil = 2026-12-01\nforever = true\n',
        '[[advisories]]\nid = "GHSA-1"\n',
        "advisory = [",
    ],
)
def test_an_entry_without_reason_or_day_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ignored.toml"
    path.write_text(text)

    with pytest.raises(OperatorError, match=r"ignored\.toml: "):
        read_ignored(path)


def test_a_good_entry_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ignored.toml"
    path.write_text('[[advisory]]\nid = "GHSA-1"\npackage = "one"\nreason = "never called"\nuntil = 2026-11-23\n')

    assert read_ignored(path) == [IGNORES]
