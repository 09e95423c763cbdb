"""make prove: what each check takes for a broken promise. Each case is a stage that breaks it in one way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.settings import ROOT
from infra.templates.sources import read_template
from jobpipe.domain.clock import rfc3339
from scripts.audit.findings import MalformedRow
from scripts.prove.callers import ACCEPTED, NO_ANSWER, Answer, Json, OutOfTimeError, UnexpectedAnswerError
from scripts.prove.checking import Check, ended_early
from scripts.prove.checks import (
    agreement,
    contract,
    events,
    latency,
    lost_answers,
    names,
    owners,
    replaced_worker,
    schedule,
    unreadable,
    updates,
)
from scripts.prove.findings import State

AT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
PROBLEM_HEADERS = {"Content-Type": "application/problem+json; charset=utf-8"}


def problem(status: int = 400, slug: str = "invalid-request", **changed: Any) -> Answer:
    document = {"type": f"urn:jobpipe:problem:{slug}", "title": "T", "status": status, "detail": "D", **changed}
    return Answer(status, document, PROBLEM_HEADERS)


def job(job_id: str = "j1", status: str = "succeeded", **members: Any) -> dict[str, Any]:
    return {
        "id": job_id,
        "status": status,
        "done": status in {"succeeded", "failed", "cancelled"},
        "created_at": rfc3339(AT),
        "updated_at": rfc3339(AT + timedelta(seconds=1)),
        **members,
    }


def accepted(job_id: str = "j1") -> Answer:
    return Answer(ACCEPTED, {"id": job_id})


# The contract


def test_a_complete_description_is_in_order() -> None:
    health = Answer(200, {"status": "ok", "version": "1.0"})
    assert contract.undescribed(health, Answer(200, {"openapi": "3.1.0"})) == []


@pytest.mark.parametrize(
    ("health", "served"),
    [
        (Answer(503, {"status": "ok", "version": "1"}), Answer(200, {"openapi": "3.1.0"})),
        (Answer(200, {"status": "ok"}), Answer(200, {"openapi": "3.1.0"})),
        (Answer(200, {"status": "ok", "version": "1"}), Answer(200, {"openapi": "3.0.3"})),
        (Answer(200, {"status": "ok", "version": "1"}), Answer(404, None)),
    ],
)
def test_a_missing_description_is_found(health: Answer, served: Answer) -> None:
    assert len(contract.undescribed(health, served)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(202, {"id": "j"}),
        problem(500),
        problem(429, "too-many-requests"),
        Answer(NO_ANSWER),
        Answer(400, problem().document, {"Content-Type": "application/json"}),
        Answer(400, None, PROBLEM_HEADERS),
        problem(title=""),
        problem(type="about:blank", detail=""),
        replace(problem(), status=404),
    ],
)
def test_an_answer_that_does_not_refuse_clearly_is_found(answer: Answer) -> None:
    assert contract.unclear_refusals([contract.Refused("no JSON", problem())]) == []
    assert len(contract.unclear_refusals([contract.Refused("no JSON", answer)])) == 1


def test_a_refused_request_that_was_stored_is_found() -> None:
    empty, clean = Answer(200, []), contract.Refused("no JSON", problem(), accepted())
    assert contract.stored([clean], [empty]) == []
    assert len(contract.stored([clean], [Answer(200, [{"id": "j"}])])) == 1
    in_use = replace(clean, afterwards=problem(422, "idempotency-key-reused"))
    assert len(contract.stored([in_use], [empty])) == 1
    assert len(contract.stored([clean], [problem(503, "unavailable")])) == 1


def test_a_request_without_a_valid_key_that_is_answered_is_found() -> None:
    assert contract.admitted({"without a key": problem(403, "forbidden")}) == []
    assert len(contract.admitted({"without a key": Answer(200, []), "wrong": problem(403, "forbidden")})) == 1


# Owners


def test_an_answer_to_the_wrong_owner_is_found() -> None:
    assert owners.wrong_answers([owners.Expected("GET", 404, problem(404, "not-found"))]) == []
    assert len(owners.wrong_answers([owners.Expected("GET", 404, Answer(200, job()))])) == 1


@pytest.mark.parametrize("answer", [Answer(200, [job("j1")]), problem(503, "unavailable"), Answer(200, None)])
def test_a_list_with_the_jobs_of_another_owner_is_found(answer: Answer) -> None:
    assert owners.listed(Answer(200, [job("other")]), {"j1"}) == []
    assert len(owners.listed(answer, {"j1"})) == 1


def test_a_change_by_a_reader_is_found() -> None:
    assert owners.changes({"name": "n"}) == []
    assert len(owners.changes({"name": "n", "by": "a reader"})) == len(owners.changes({})) == 1


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (UnexpectedAnswerError("a job could not be read", problem(404, "not-found")), State.BROKEN),
        (UnexpectedAnswerError("a command was not accepted", problem(503, "unavailable")), State.UNFINISHED),
        (UnexpectedAnswerError("a command was not accepted", problem(429, "slow-down")), State.UNFINISHED),
        (UnexpectedAnswerError("a command was not accepted", Answer(NO_ANSWER)), State.UNFINISHED),
        (OutOfTimeError("its time was over"), State.UNFINISHED),
    ],
)
def test_a_refusal_of_what_is_valid_is_found_and_an_outage_says_nothing(error: Exception, state: State) -> None:
    found = ended_early(Check("order", "P3", lambda _: []), error)
    assert (found.state, found.promise) == (state, "P3")
    assert str(error) in found.seen


# Order and once


def update(place: int, members: dict[str, int] | None = None, **changed: Any) -> updates.Update:
    result = updates.after(place) if members is None else members
    return updates.Update(
        "item", place, job(f"j{place}", result={"name": "n", **result}, etag=f'"{place}"', **changed)
    )


def final(place: int, **changed: Any) -> updates.Final:
    return updates.Final({**updates.after(place), **changed}, f'"{place}"')


def test_updates_in_order_are_in_order() -> None:
    found = [update(1), update(2), update(3)]
    assert updates.wrong_results(found) == []
    assert updates.wrong_finals(found, {"item": final(3)}) == []
    assert updates.not_succeeded(found) == updates.not_ended(found) == []


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"m2": 2, "last": 2}, "lacks m1"),  # it overtook the first
        ({"m1": 1, "m2": 2, "m3": 3, "last": 2}, "has m3"),  # the third overtook it
        ({"m1": 1, "m2": 2, "last": 1}, "has last=1"),  # the first took effect again
        ({"m1": 1, "last": 1}, "lacks m2"),  # it had no effect
        ({"m1": 7, "m2": 2, "last": 2}, "has m1=7"),
    ],
)
def test_a_result_in_the_wrong_order_is_found(members: dict[str, int], said: str) -> None:
    [text] = updates.wrong_results([update(1), update(2, members)])
    assert "update 2 of item" in text
    assert said in text


@pytest.mark.parametrize(
    "item",
    [
        final(2),  # the last update is lost
        final(3, last=1),  # an earlier one took effect once more
        updates.Final(updates.after(3), '"another version"'),  # the last one took effect twice
        updates.Final({}, ""),  # it is lost
    ],
)
def test_an_item_that_is_not_as_its_last_update_left_it_is_found(item: updates.Final) -> None:
    assert len(updates.wrong_finals([update(1), update(2), update(3)], {"item": item})) == 1


def test_jobs_that_fail_or_do_not_end_are_found() -> None:
    assert len(updates.not_succeeded([update(1), update(2, status="failed")])) == 1
    assert len(updates.not_ended([update(1), update(2, status="retrying")])) == 1
    assert updates.not_succeeded([update(2, status="queued")]) == []


# Lost answers


def repeated(**changed: Any) -> lost_answers.Repeated:
    whole = lost_answers.Repeated(0, (accepted(), accepted()), job(etag='"1"'), '"1"', 0)
    return replace(whole, **changed)


def test_one_job_and_one_effect_are_in_order() -> None:
    assert lost_answers.several_jobs([repeated()]) == lost_answers.several_effects([repeated()]) == []


@pytest.mark.parametrize(
    "answers",
    [(accepted("j1"), accepted("j2")), (accepted("j2"), accepted("j2")), (accepted(), problem(422, "reused"))],
)
def test_a_second_job_of_a_repeated_request_is_found(answers: tuple[Answer, Answer]) -> None:
    assert len(lost_answers.several_jobs([repeated(answers=answers)])) == 1


@pytest.mark.parametrize(
    "changed", [{"etag": '"2"'}, {"value": None}, {"value": 7}, {"job": job(status="failed", etag='"1"')}]
)
def test_a_second_or_missing_effect_is_found(changed: dict[str, Any]) -> None:
    assert len(lost_answers.several_effects([repeated(**changed)])) == 1


def test_several_jobs_of_a_race_for_one_key_are_found() -> None:
    assert lost_answers.racing_jobs([accepted(), accepted()]) == []
    assert len(lost_answers.racing_jobs([accepted("j1"), accepted("j2")])) == 1
    assert len(lost_answers.racing_jobs([accepted(), problem(500)])) == 1


def test_a_job_that_failed_without_a_reason_is_found() -> None:
    failed = Answer(200, [job("x", "failed", item_id="i1"), job("y", "failed", item_id="of another check")])
    assert len(lost_answers.unexpected_failures(failed, ["i1"])) == 1


# Names


def create(status: str, slug: str = "") -> Json:
    return {**job(status=status), "error": {"type": f"urn:jobpipe:problem:{slug}"} if slug else None}


@pytest.mark.parametrize(
    "jobs",
    [
        [create("succeeded"), create("succeeded"), create("failed", "name-taken")],
        [create("failed", "name-taken")] * 2,
        [create("succeeded"), create("failed", "attempts-spent")],
    ],
)
def test_a_name_of_two_items_is_found(jobs: list[Json]) -> None:
    assert names.shared_names([create("succeeded"), *[create("failed", "name-taken")] * 3]) == []
    assert len(names.shared_names(jobs)) == 1


# An unreadable message, a replaced worker


def test_an_update_that_was_held_up_is_found() -> None:
    slow = update(2, updated_at=rfc3339(AT + timedelta(seconds=31)))
    assert unreadable.delayed([update(1)], 0.5) == []
    assert len(unreadable.delayed([update(1), slow], 0.5)) == 1
    assert unreadable.delayed([update(1), slow], 15) == [], "the whole stage is slow"


def test_only_an_environment_that_is_known_to_be_new_shows_that_a_worker_was_replaced() -> None:
    assert replaced_worker.replaced("done", 5, 1, 0, []).state is State.HELD
    assert replaced_worker.replaced("done", 5, 0, 0, []).state is State.NOT_TRIED
    assert replaced_worker.replaced("done", 5, 0, 0, ["update 2 ended as failed"]).state is State.BROKEN


def test_the_other_memory_of_the_worker_is_one_that_every_account_allows() -> None:
    parameter = read_template(ROOT / "infra" / "templates" / "worker.merge.yaml")["Parameters"]["MemorySize"]
    assert parameter["MinValue"] == replaced_worker.LEAST_MEMORY
    sizes = (parameter["MinValue"], 1024, 3008, parameter["MaxValue"])  # 3008 is the most in new accounts
    assert [replaced_worker.other_memory(each) for each in sizes] == [129, 1023, 3007, 10239]


def test_new_environments_are_counted_once() -> None:
    first = '{"cold_start": true, "function_request_id": "r1", "message": "batch"}'
    lines = [first, first, '{"cold_start": false, "function_request_id": "r2"}', "START RequestId", "[1]"]
    assert replaced_worker.cold_starts(lines) == 1


# Events


def told(place: int, **changed: Any) -> dict[str, Any]:
    ended = update(place).job
    data = {"status": ended["status"], "result": ended["result"], **changed}
    return {"type": "job.ended", "subject": f"jobs/{ended['id']}", "data": data}


def test_events_in_order_are_in_order_and_may_be_repeated() -> None:
    found, log = [update(1), update(2)], [told(1), told(1), told(2), told(1)]
    assert events.untold(found, log) == events.told_wrongly(found, log) == []
    assert events.out_of_order(found, ["j1", "j1", "j2", "j1"]) == []


def test_an_end_that_is_not_told_told_wrongly_or_too_early_is_found() -> None:
    found = [update(1), update(2)]
    assert len(events.untold(found, [told(1)])) == 1
    assert len(events.untold(found, [told(1), {**told(2), "type": "item.changed"}])) == 1
    assert len(events.told_wrongly(found, [told(1, status="failed")])) == 1
    assert len(events.told_wrongly(found, [told(1, result={"name": "n"})])) == 1
    assert len(events.out_of_order(found, ["j2", "j1", "j2"])) == 1


# The schedule


def scheduled(member: str = "m", after: float = 1.0, item_id: str = "i1", **changed: Any) -> schedule.Scheduled:
    due = changed.pop("due", AT)
    at = due + timedelta(seconds=after)
    members = {"updated_at": rfc3339(at), "not_before": rfc3339(due), "result": {member: 1}, **changed}
    return schedule.Scheduled(member, item_id, member, job(**members), released=at)


def test_commands_at_their_times_are_in_order() -> None:
    on_time = [scheduled(after=0), scheduled(after=62)]
    assert schedule.early(on_time) == schedule.overdue(on_time) == []


def test_an_early_and_a_late_release_are_found() -> None:
    assert len(schedule.early([scheduled(after=-0.1)])) == 1
    assert len(schedule.overdue([scheduled(after=62.1)])) == 1
    seen_late = replace(scheduled(after=-3), released=AT + timedelta(seconds=1))
    assert len(schedule.early([seen_late])) == 1, "its job says when it ended"


def test_wrong_effects_of_scheduled_commands_are_found() -> None:
    sooner = scheduled("sooner")
    later = scheduled("later", due=AT + timedelta(seconds=2), result={"sooner": 1, "later": 1})
    cancelled = replace(scheduled("cancelled", item_id="i2"), job=job(status="cancelled"))
    items: dict[str, dict[str, int]] = {"i1": {"sooner": 1, "later": 1}, "i2": {}}
    assert schedule.wrong_effects([later, sooner], cancelled, items) == []
    overtaken = replace(sooner, job={**sooner.job, "result": {"sooner": 1, "later": 1}})
    assert len(schedule.wrong_effects([later, overtaken], cancelled, items)) == 1
    assert len(schedule.wrong_effects([later, sooner], cancelled, {**items, "i2": {"cancelled": 1}})) == 1
    assert len(schedule.wrong_effects([later, sooner], cancelled, {**items, "i1": {"later": 1}})) == 1
    revived = replace(cancelled, job=job(status="succeeded"))
    assert len(schedule.wrong_effects([later, sooner], revived, items)) == 1
    failed = replace(sooner, job={**sooner.job, "status": "failed"})
    assert len(schedule.wrong_effects([later, failed], cancelled, items)) == 1


# The audit, the times


def test_findings_of_an_audit_about_other_data_are_not_ours() -> None:
    found = [
        MalformedRow("job-1", "jobs", "w"),
        MalformedRow("prove12 name", "names", "w"),
        MalformedRow("x", "jobs", "w"),
    ]
    ours, others = agreement.split(found, "prove12", {"job-1"})
    assert (len(ours), len(others)) == (2, 1)


def test_times_are_set_beside_those_of_the_documentation() -> None:
    ms = {"p50": 1.0, "p95": 2.0}
    kinds = ("accept", "end to end, polled", "accepted to applied, by the job's times")
    performance = {"pipeline": {"ms": dict.fromkeys(kinds, ms)}}
    scaling = {"rates": {"10": {"steady": {"p50": 0.12, "p99": 0.26}}}}
    found = latency.figures([0.01, 0.02], [0.1, 0.3], [0.05], performance, scaling)
    assert [(each.p50, each.p95, each.number) for each in found] == [(10, 20, 2), (100, 300, 2), (50, 50, 1)]
    assert "p50 1 ms, p95 2 ms" in found[0].documented
    assert "p99 260 ms simulated" in found[2].documented
    assert latency.took(job()) == 1
