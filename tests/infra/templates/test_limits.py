"""The numbers in jobpipe/domain/limits.py equal those in the templates as they are deployed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from infra.packaging.package import package_all
from infra.templates.sources import Template, foundation_template, read_template
from jobpipe.domain import limits
from jobpipe.domain.events.schedule import ATTEMPT_SECONDS
from worker_lambda.chalicelib.notifications.deliver import RESERVE_SECONDS
from worker_lambda.chalicelib.releasing import sweep

COMMANDS = {"CommandsQueue", "DeadLettersQueue"}
FIFO = {*COMMANDS, "EventsQueue", "DeliveriesQueue"}
DELIVER_SECONDS = 20  # the time-out of the function that delivers events
ONE_DAY = timedelta(days=1)
ROW_BYTES = 400 * 1024  # DynamoDB's own limit
GATEWAY_SECONDS = 29  # API Gateway's own limit


@pytest.fixture(scope="module", params=["local", "prod"])
def foundation(request: pytest.FixtureRequest) -> Template:
    return foundation_template(request.param)


@pytest.fixture(scope="module")
def worker() -> Template:
    return read_template(package_all()["worker"].template_path)


@pytest.fixture(scope="module")
def api() -> Template:
    return read_template(package_all()["api"].template_path)


def of_kind(kind: str, template: Template) -> dict[str, dict[str, Any]]:
    return {name: each["Properties"] for name, each in template["Resources"].items() if each["Type"] == kind}


def queues(foundation: Template) -> dict[str, dict[str, Any]]:
    return of_kind("AWS::SQS::Queue", foundation)


def resolved(value: Any, template: Template, parameters: dict[str, str]) -> Any:
    """Return the value that CloudFormation would put in the place of a Ref or a look-up in a mapping."""
    match value:
        case {"Ref": name}:
            return parameters.get(name, template["Parameters"][name].get("Default"))
        case {"Fn::FindInMap": [mapping, first, second]}:
            return template["Mappings"][mapping][resolved(first, template, parameters)][second]
    return value


def allowed(template: Template, parameter: str) -> list[str]:
    values: list[str] = template["Parameters"][parameter]["AllowedValues"]
    return values


def test_the_fifo_queues_hide_a_batch_for_six_worker_time_outs(foundation: Template) -> None:
    assert limits.VISIBILITY_FACTOR == 6
    for seconds in allowed(foundation, "WorkerTimeout"):
        for name in COMMANDS | {"EventsQueue"}:
            visibility = resolved(
                queues(foundation)[name]["VisibilityTimeout"], foundation, {"WorkerTimeout": seconds}
            )
            assert visibility == limits.VISIBILITY_FACTOR * int(seconds)


def test_the_functions_of_the_worker_end_at_its_time_out(foundation: Template, worker: Template) -> None:
    functions = of_kind("AWS::Lambda::Function", worker)
    by_handler = {function["Handler"]: function for function in functions.values()}
    assert set(by_handler) == {"app.work", "app.dead_letters", "app.tell", "app.deliver", "app.release"}
    del by_handler["app.release"]
    del by_handler["app.deliver"]
    for function in by_handler.values():
        assert function["Timeout"] == {"Ref": "WorkerTimeout"}
        assert function["Environment"]["Variables"]["WORKER_TIMEOUT"] == {"Ref": "WorkerTimeout"}
    default = str(worker["Parameters"]["WorkerTimeout"]["Default"])
    assert default == foundation["Parameters"]["WorkerTimeout"]["Default"]
    assert default in allowed(foundation, "WorkerTimeout")


def test_a_release_has_time_for_what_becomes_due(worker: Template) -> None:
    release = of_kind("AWS::Lambda::Function", worker)["Release"]
    latest = sweep.LOOK_AHEAD + sweep.HANDOVER + sweep.INDEX_DELAY
    assert release["Timeout"] > latest.total_seconds() + sweep.RESERVE_SECONDS
    (rule,) = of_kind("AWS::Events::Rule", worker).values()
    assert rule["ScheduleExpression"] == "rate(1 minute)"
    assert sweep.LOOK_AHEAD >= 2 * sweep.UNTIL_NEXT_SWEEP, "the previous release takes its place"


def test_a_delivery_has_time_for_an_attempt_and_its_calls(foundation: Template, worker: Template) -> None:
    deliver = of_kind("AWS::Lambda::Function", worker)["Deliver"]
    assert deliver["Timeout"] == DELIVER_SECONDS
    assert deliver["Environment"]["Variables"]["WORKER_TIMEOUT"] == str(DELIVER_SECONDS)
    assert DELIVER_SECONDS > RESERVE_SECONDS > ATTEMPT_SECONDS
    for name in ("DeliveriesQueue", "DeliveriesLaterQueue"):
        assert queues(foundation)[name]["VisibilityTimeout"] == limits.VISIBILITY_FACTOR * DELIVER_SECONDS


def test_a_message_about_events_is_received_again_for_all_of_the_retention(foundation: Template) -> None:
    for name in ("EventsQueue", "DeliveriesQueue", "DeliveriesLaterQueue"):
        assert "RedrivePolicy" not in queues(foundation)[name]


def test_only_failed_messages_are_delivered_again(worker: Template) -> None:
    """Without ReportBatchItemFailures Lambda would delete the failed messages of a batch with the others."""
    mappings = of_kind("AWS::Lambda::EventSourceMapping", worker)
    by_queue = {mapping["EventSourceArn"]["Fn::Sub"]: mapping for mapping in mappings.values()}
    assert {queue: mapping["FunctionName"]["Ref"] for queue, mapping in by_queue.items()} == {
        "${CommandsQueueArn}": "Work",
        "${DeadLettersQueueArn}": "DeadLetters",
        "${EventsQueueArn}": "Tell",
        "${DeliveriesQueueArn}": "Deliver",
        "${DeliveriesLaterQueueArn}": "Deliver",
    }
    for mapping in mappings.values():
        assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
        assert mapping["BatchSize"] == 10
    commands = by_queue["${CommandsQueueArn}"]
    assert commands["ScalingConfig"] == {"MaximumConcurrency": {"Ref": "WorkerConcurrency"}}


def test_the_worker_can_reserve_executions_for_exactly_its_batches(worker: Template) -> None:
    """Requests that wait in the API cannot take them, and no message is received only to be throttled."""
    work = of_kind("AWS::Lambda::Function", worker)["Work"]
    if_reserved = {"Fn::If": ["Reserved", {"Ref": "WorkerConcurrency"}, {"Ref": "AWS::NoValue"}]}
    assert work["ReservedConcurrentExecutions"] == if_reserved
    assert worker["Conditions"]["Reserved"] == {"Fn::Equals": [{"Ref": "ReserveConcurrency"}, "true"]}
    assert worker["Parameters"]["ReserveConcurrency"]["Default"] == "false", "new accounts have too few"


def test_every_queue_keeps_its_messages_for_14_days(foundation: Template) -> None:
    assert timedelta(days=14) == limits.QUEUE_RETENTION
    assert set(queues(foundation)) == {*FIFO, "ParkedQueue", "DeliveriesLaterQueue"}
    for queue in queues(foundation).values():
        assert timedelta(seconds=queue["MessageRetentionPeriod"]) == limits.QUEUE_RETENTION


def test_the_order_is_that_of_the_groups(foundation: Template) -> None:
    for name, queue in queues(foundation).items():
        assert queue.get("FifoQueue", False) is (name in FIFO)
    for name in FIFO:
        assert queues(foundation)[name]["DeduplicationScope"] == "messageGroup"
        assert queues(foundation)[name]["FifoThroughputLimit"] == "perMessageGroupId"


def test_no_outage_shorter_than_the_retention_makes_a_dead_letter(foundation: Template) -> None:
    redrive = queues(foundation)["CommandsQueue"]["RedrivePolicy"]
    assert redrive["deadLetterTargetArn"] == {"Fn::GetAtt": ["DeadLettersQueue", "Arn"]}
    assert resolved(redrive["maxReceiveCount"], foundation, {}) == limits.MAX_RECEIVE_COUNT
    shortest = limits.LONGEST_BACKOFF * (1 - limits.BACKOFF_JITTER)
    assert limits.MAX_RECEIVE_COUNT * shortest >= limits.QUEUE_RETENTION
    assert limits.FIRST_BACKOFF < limits.LONGEST_BACKOFF


def test_every_queued_message_can_be_parked_with_a_reason(foundation: Template) -> None:
    for name in COMMANDS:
        assert queues(foundation)[name]["MaximumMessageSize"] == limits.MAX_QUEUED_BYTES
    assert queues(foundation)["ParkedQueue"]["MaximumMessageSize"] == limits.MAX_PARKED_BYTES
    assert limits.MAX_PARKED_BYTES - limits.MAX_QUEUED_BYTES == 4 * 1024
    assert limits.MAX_COMMAND_BYTES < limits.MAX_QUEUED_BYTES


def test_a_message_and_a_call_are_no_larger_than_sqs_takes(foundation: Template) -> None:
    assert limits.MAX_CALL_BYTES == 1024 * 1024
    with_commands = [each for each in queues(foundation).values() if "MaximumMessageSize" in each]
    assert len(with_commands) == 3, "those of events have small messages"
    for queue in with_commands:
        assert queue["MaximumMessageSize"] <= limits.MAX_CALL_BYTES


def test_a_row_has_room_for_every_command_of_a_message() -> None:
    """A failed job of the release before keeps its command there, with the problem and the other attributes."""
    assert limits.MAX_QUEUED_BYTES + 16 * 1024 <= ROW_BYTES


def test_claims_outlive_the_jobs_that_may_need_them(foundation: Template, worker: Template) -> None:
    (rule,) = [each for each in lifecycle(foundation) if "ExpirationInDays" in each]
    assert (rule["Prefix"], rule["Status"]) == ("claims/", "Enabled")
    longest = timedelta(days=max(map(int, allowed(worker, "JobRetentionDays"))))
    expire = rule["ExpirationInDays"]
    assert expire == limits.claim_days(longest) == 59, "for this retention or a longer earlier one"
    assert expire * ONE_DAY > 2 * limits.QUEUE_RETENTION + longest


def test_versions_outlive_the_jobs_that_refer_to_them(foundation: Template, worker: Template) -> None:
    (rule,) = [each for each in lifecycle(foundation) if "NoncurrentVersionExpiration" in each]
    retention = rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
    assert all(retention > int(days) for days in allowed(worker, "JobRetentionDays"))


def test_both_apps_allow_the_same_retention(api: Template, worker: Template) -> None:
    assert api["Parameters"]["JobRetentionDays"] == worker["Parameters"]["JobRetentionDays"]


def lifecycle(foundation: Template) -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = of_kind("AWS::S3::Bucket", foundation)["DocumentsBucket"][
        "LifecycleConfiguration"
    ]["Rules"]
    return rules


def test_the_api_ends_with_the_gateway(api: Template) -> None:
    (function,) = of_kind("AWS::Lambda::Function", api).values()
    assert function["Timeout"] == GATEWAY_SECONDS


@pytest.mark.parametrize(("worker_timeout", "seconds"), [(5, 1), (10, 1), (20, 2), (30, 3), (60, 3)])
def test_the_time_out_of_a_call(worker_timeout: float, seconds: float) -> None:
    assert limits.call_timeout(worker_timeout) == seconds


def test_a_hanging_call_leaves_time_to_report_it(foundation: Template) -> None:
    for seconds in map(float, allowed(foundation, "WorkerTimeout")):
        three_tries = 3 * limits.call_timeout(seconds)
        assert three_tries < limits.reserve(seconds) < seconds
