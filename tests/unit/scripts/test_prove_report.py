"""make prove: its plan, its report, its exit status, and the deletion of what it made."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from infra.cli.command_line import run
from infra.errors import OperatorError
from infra.keys.api_keys import ApiKeys
from scripts.prove.bench import Bench, Figure
from scripts.prove.callers import Pace, Shared
from scripts.prove.checking import NAMES, Done
from scripts.prove.expenses import ACCEPT, JOB, Line, bill
from scripts.prove.facts import Facts
from scripts.prove.findings import PROMISES, Finding, State, judge, not_tried, unfinished, worst
from scripts.prove.made import Made
from scripts.prove.page import page
from scripts.prove.plan import FULL, MOST_ROWS, QUICK, RATE, Plan
from scripts.prove.proof import BROKEN, UNFINISHED, Proof, status_of
from scripts.prove.report import Report, write
from scripts.stage.aws import StageAws

AT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
FACTS = Facts(
    stage="prod",
    target="aws",
    region="eu-central-1",
    version="1.0",
    events=True,
    loopback_webhooks=False,
    owner_rate=0,
    key_rate=100,
    quota=0,
    worker_timeout=30,
    table_bytes=10_000_000,
    rows=10_000,
)
HELD = judge("in order", "P3", "sent 20 updates", "in order", [])


def report(*findings: Finding, **changed: object) -> Report:
    whole = Report(
        facts=FACTS,
        run="prove12",
        began=AT,
        ended=AT + timedelta(seconds=90),
        quick=False,
        rate=15,
        planned_dollars=Decimal("0.04"),
        checks=[Done("order", [*findings], 1.0)],
        figures=[Figure("from the request to its 202", 2, 10, 20, "p50 16 ms")],
        bill=[Line(JOB, "jobs", 20, Decimal(20), Decimal("0.0004"))],
        throttled=3,
        left=[],
    )
    return replace(whole, **changed)  # type: ignore[arg-type]


# The plan


def test_the_plan_says_what_is_sent_made_and_paid() -> None:
    text = "\n".join(Plan(FACTS, FULL).lines("prove12", NAMES))
    for part in ("requests", "commands", "minutes", "$0.0", "prove12a", "webhook", "1 MB", "deletes", "expires"):
        assert part in text


def test_a_run_on_aws_needs_a_confirmation_and_one_on_an_emulator_does_not() -> None:
    with pytest.raises(OperatorError, match="CONFIRM=yes"):
        Plan(FACTS, FULL).check(NAMES, confirmed=False)
    Plan(FACTS, FULL).check(NAMES, confirmed=True)
    Plan(replace(FACTS, target="embedded"), FULL).check(NAMES, confirmed=False)


def test_a_run_takes_some_cents_and_minutes() -> None:
    plan = Plan(FACTS, FULL)
    assert Decimal("0.01") < plan.dollars() < Decimal("0.20")
    assert 5 * 60 < plan.longest(NAMES) < 20 * 60
    assert Plan(FACTS, QUICK).dollars() < plan.dollars()


def test_the_pace_keeps_to_the_limits_of_owners_and_keys() -> None:
    assert Plan(FACTS, FULL).rate == RATE
    assert Plan(replace(FACTS, owner_rate=4), FULL).rate == pytest.approx(2.8)
    assert Plan(replace(FACTS, key_rate=10), FULL).rate == pytest.approx(7)
    assert Plan(replace(FACTS, owner_rate=0.8), FULL).seconds("order") > Plan(FACTS, FULL).seconds("order")


@pytest.mark.parametrize(
    ("changed", "said"), [({"owner_rate": 0.1}, "OwnerRate=0.1"), ({"quota": 100}, "QuotaLimit=100")]
)
def test_limits_that_are_too_low_are_refused(changed: dict[str, float], said: str) -> None:
    with pytest.raises(OperatorError, match=said):
        Plan(replace(FACTS, **changed), FULL).check(NAMES, confirmed=True)  # type: ignore[arg-type]


def test_large_tables_are_not_read() -> None:
    large = Plan(replace(FACTS, rows=MOST_ROWS + 1, table_bytes=10**12), FULL)
    assert not large.audits
    assert large.dollars() < Decimal("0.20")
    assert "no audit" in "\n".join(large.lines("prove12", NAMES))


def test_requests_and_jobs_are_priced_by_the_cost_model() -> None:
    accept, job = bill({ACCEPT: 2, JOB: 1}, events=False)
    assert (accept.number, job.number) == (2, 1)
    assert accept.dollars == pytest.approx(accept.per_million * 2 / 1_000_000)
    assert Decimal(10) < job.per_million < Decimal(30)
    assert bill({JOB: 1}, events=True)[0].dollars > job.dollars


# Findings


def test_a_broken_finding_shows_the_first_violations_and_their_number() -> None:
    found = judge("in order", "P3", "sent", "in order", [f"update {n}" for n in range(9)])
    assert found.state is State.BROKEN
    assert "update 4; and 4 more" in found.seen
    assert "update 5" not in found.seen


def test_a_violation_stands_for_its_check() -> None:
    assert worst([State.HELD, State.BROKEN, State.UNFINISHED]) is State.BROKEN
    assert worst([State.HELD, State.UNFINISHED]) is State.UNFINISHED
    assert worst([State.NOT_TRIED, State.HELD]) is State.HELD
    assert worst([]) is State.NOT_TRIED


# The exit status


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (report(HELD), 0),
        (report(HELD, not_tried("told", "P10", "Events=off")), 0),
        (report(HELD, unfinished("order", "P3", "sent", "its time was over")), UNFINISHED),
        (report(HELD, judge("order", "P3", "", "", ["wrong"]), unfinished("told", "P10", "", "")), BROKEN),
        (report(HELD, left=["the webhook: no answer"]), UNFINISHED),
    ],
)
def test_only_a_run_of_which_every_check_held_succeeds(found: Report, status: int) -> None:
    assert status_of(found) == status


# The report


def test_the_report_says_what_became_of_each_promise() -> None:
    found = report(HELD, judge("once", "P2", "", "", ["twice"]), not_tried("told", "P10", "Events=off"))
    document = found.document()
    assert set(document["promises"]) == set(PROMISES)
    assert [document["promises"][each] for each in ("P3", "P2", "P10")] == ["held", "broken", "not tried"]
    in_part = report(HELD, not_tried("more order", "P3", "it is not safe")).document()
    assert in_part["promises"]["P3"] == "held in part"
    assert document["verdict"] == "1 held, 1 broken, 1 not tried"
    assert document["milliseconds"][0]["documented"] == "p50 16 ms"
    assert document["dollars_a_million_commands"] == 20
    assert document["documented_dollars_a_million_creates_with_one_poll"]["busy"] > 10
    assert "2 checks left out" in report(HELD, left_out=["a", "b"]).verdict
    assert "interrupted before 2 of its checks" in report(HELD, missing=("events", "audit")).verdict


def test_the_report_has_no_secret_in_it() -> None:
    key, url = "prove12aW" + "0" * 32, "https://abc123.execute-api.eu-central-1.amazonaws.com/v1"
    said = f"arn:aws:sqs:eu:123456789012:q refused {key} at {url}/jobs, https://me.example/hook?token=s3cret"
    found = report(
        judge("in order", "P3", "sent", "", [said]),
        left=[f"the webhook: {said}"],
        secrets=[key, url, "https://me.example/hook?token=s3cret"],
    )
    text = json.dumps(found.document()) + page(found.document())
    for secret in (key, "abc123", "s3cret", "123456789012", "me.example"):
        assert secret not in text
    assert "refused …" in text
    assert "2026-11-30" in text, "only numbers of accounts are hidden"


def test_the_page_needs_nothing_from_elsewhere_and_escapes_what_it_shows() -> None:
    found = report(judge("in order", "P3", "sent <b>", "", ["<script>alert(1)</script>"]), missing=("audit",))
    text = page(found.document())
    assert "<script" not in text
    assert "sent &lt;b&gt;" in text
    assert not re.search(r"(?:src|href)=|url\(|@import", text)
    assert "default-src 'none'" in text
    for part in (
        "P11",
        "broken",
        "audit: the run was interrupted before it",
        "$0.0004",
        "p50 16 ms",
        "docs/cost.md",
    ):
        assert part in text


def test_the_page_of_a_run_on_an_emulator_says_so() -> None:
    local = replace(FACTS, target="embedded")
    assert "not AWS" in page(report(HELD, facts=local).document())
    assert "not AWS" not in page(report(HELD).document())


def test_a_report_is_written_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "proof" / "prod.json"
    write(path, "first")
    write(path, "second")
    assert path.read_text() == "second"
    assert [each.name for each in path.parent.iterdir()] == ["prod.json"]
    (tmp_path / "file").touch()
    with pytest.raises(OperatorError, match="cannot be written"):
        write(tmp_path / "file" / "prod.json", "x")


# The keys


class _Gateway:
    """API Gateway for credentials that may list keys and create none."""

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **_: Any) -> list[Any]:
        return []

    def create_api_key(self, **_: Any) -> Any:
        said = "User: me is not authorized to perform: apigateway:POST on resource: /apikeys"
        raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": said}}, "CreateApiKey")


def test_credentials_that_may_create_no_keys_are_one_line_and_leave_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = ApiKeys(_Gateway(), "prod", "plan")
    shared = Shared("http://127.0.0.1:9", Pace(1))
    bench = Bench(cast("StageAws", None), Plan(FACTS, QUICK), "prove12", keys, shared)
    assert run("prove", Proof(Console(), bench, tmp_path).run) == 1
    said = capsys.readouterr()
    assert said.err == "prove: these credentials may not do CreateApiKey: …\n"
    assert "left" not in said.out
    assert list(tmp_path.iterdir()) == []


# The deletion


def test_all_is_deleted_from_the_last_to_the_first_also_if_a_deletion_fails() -> None:
    made, deleted = Made(), list[str]()

    def fail() -> None:
        raise OperatorError("it is in use")

    made.later("the keys", lambda: deleted.append("keys"))
    made.later("the webhook", fail)
    made.later("items", lambda: deleted.append("items"))
    assert made.clean_up() == ["the webhook: it is in use"]
    assert deleted == ["items", "keys"]
    assert made.clean_up() == [], "nothing is deleted twice"
