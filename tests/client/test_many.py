"""submit_many: it limits its memory, keeps the order of each item's commands, and is safe to repeat."""

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import tenacity
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jobpipe.domain.batch import MAX_COMMANDS as SERVICE_COMMANDS
from jobpipe.domain.item_rules import MAX_DOCUMENT_BYTES
from jobpipe_client import Client, Forbidden, IdempotencyKeyReused, InvalidRequest, Submission, Unavailable
from jobpipe_client.many import LONGEST_KEY, MAX_BODY, MAX_COMMANDS
from tests.client.service import KEY, Canned, Service, problem

Command = dict[str, Any]
numbers = itertools.count()


def create(**more: Any) -> Command:
    return {"operation": "create", "item": {"name": f"Tent {next(numbers)}", "description": "For two", **more}}


def merge(item_id: str, **fields: Any) -> Command:
    return {"operation": "update", "item_id": item_id, "merge": fields}


def batches(service: Service) -> list[list[Command]]:
    return [seen.body["commands"] for seen in service.seen if (seen.method, seen.path) == ("POST", "/batches")]


def keys(service: Service) -> list[str]:
    return [seen.headers["idempotency-key"] for seen in service.seen if seen.path == "/batches"]


@tenacity.retry(stop=tenacity.stop_after_delay(30), wait=tenacity.wait_fixed(0.005), reraise=True)
def eventually(condition: Any) -> None:
    assert condition()


def senders() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("jobpipe-submit")]


def test_submissions_come_in_the_order_of_the_commands(client: Client, service: Service) -> None:
    commands = [create() for _ in range(25)]
    submissions = list(client.submit_many(commands, batch_size=10))
    assert [each.place for each in submissions] == list(range(25))
    assert [each.command for each in submissions] == commands
    assert all(each.accepted and each.item_id and each.batch_id for each in submissions)
    assert sorted(len(batch) for batch in batches(service)) == [5, 10, 10]
    assert len({each.job_id for each in submissions}) == len(service.jobs) == 25
    assert len({each.batch_id for each in submissions}) == len(set(keys(service))) == 3
    assert {each.retry_after for each in submissions} == {0.05}


def test_no_commands_need_no_request(client: Client, service: Service) -> None:
    assert list(client.submit_many([])) == []
    assert service.seen == []


def test_the_limits_equal_those_of_the_service() -> None:
    assert (MAX_COMMANDS, MAX_BODY) == (SERVICE_COMMANDS, MAX_DOCUMENT_BYTES)


def test_commands_are_read_while_others_are_sent(client: Client, service: Service) -> None:
    read: list[int] = []

    def commands() -> Iterator[Command]:
        for n in itertools.count():
            read.append(n)
            yield create()

    many = client.submit_many(commands(), concurrency=2, batch_size=5)
    assert read == [], "not before somebody asks"
    assert next(many).place == 0
    assert len(read) <= 2 * 2 * 5
    for _ in range(50):
        submission = next(many)
        assert len(read) <= submission.place - submission.place % 5 + (2 * 2 + 1) * 5
    many.close()


def test_no_more_requests_than_allowed_are_under_way(client: Client, service: Service) -> None:
    service.batches.open.clear()
    submissions: list[Submission] = []
    reader = threading.Thread(
        target=lambda: submissions.extend(
            client.submit_many((create() for _ in range(40)), concurrency=3, batch_size=2)
        )
    )
    reader.start()
    eventually(lambda: service.batches.under_way == 3)
    service.batches.open.set()
    reader.join()
    assert len(submissions) == 40
    assert service.batches.most_under_way == 3


def test_a_batch_closes_before_its_body_is_too_large(client: Client, service: Service) -> None:
    """Commands fill a body to the byte, exceed it by one byte, or exceed any body."""
    overhead = len('{"commands":[]}')
    bare = len('{"operation":"update","item_id":"a","merge":{"t":""}}')
    half = (MAX_BODY - overhead - 1) // 2
    sizes = [half, MAX_BODY - overhead - 1 - half, half, half + 1, MAX_BODY + 1, 100]
    commands = [merge("a", t="x" * (size - bare)) for size in sizes]
    submissions = list(client.submit_many(commands))
    assert [len(batch) for batch in batches(service)] == [2, 1, 1, 1, 1]
    lengths = [int(s.headers["content-length"]) for s in service.seen]
    assert lengths[0] == MAX_BODY
    assert [each.accepted for each in submissions] == [True] * 4 + [False, True]
    refused = submissions[4].problem
    assert refused is not None
    assert refused.slug == "too-large"


@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_each_invalid_command_has_its_problem(client: Client, service: Service, batch_size: int) -> None:
    """Also if all commands of a batch are invalid, which is one answer for the whole batch."""
    commands: list[Command] = [{"operation": "fly"}, create(), {"operation": "update"}, {"operation": "read"}]
    commands += [{"operation": "fly"}] * 3
    submissions = list(client.submit_many(commands, batch_size=batch_size))
    assert [each.accepted for each in submissions] == [False, True, False, False, False, False, False]
    details = [each.problem.errors[0]["detail"] for each in submissions if each.problem]
    fly, missing = "There is no such operation.", "item_id is needed."
    assert details == [fly, missing, missing, fly, fly, fly]
    assert all(each.problem.status == 400 for each in submissions if each.problem)


def test_a_command_that_makes_the_body_unreadable_is_refused_alone(client: Client, service: Service) -> None:
    commands = [create() for _ in range(20)]
    commands[13] = create(price=10**40)
    submissions = list(client.submit_many(commands, key="k"))
    assert [each.place for each in submissions if not each.accepted] == [13]
    assert submissions[13].problem is not None
    assert "38 significant digits" in submissions[13].problem.detail
    assert [each.place for each in submissions] == list(range(20))
    again = list(client.submit_many(commands, key="k"))
    assert [each.job_id for each in again] == [each.job_id for each in submissions]
    assert len(service.jobs) == 19


def test_a_refusal_by_a_proxy_is_not_a_refusal_of_the_commands(client: Client, service: Service) -> None:
    service.canned.append(Canned(400, {}, "<html>The plain HTTP request was sent to an HTTPS port</html>"))
    with pytest.raises(InvalidRequest):
        list(client.submit_many([create() for _ in range(20)]))
    assert len(service.seen) == 1


def test_repeating_an_iteration_with_its_key_doubles_nothing(client: Client, service: Service) -> None:
    commands = [*(create() for _ in range(12)), {"operation": "fly"}, *(merge("a", n=n) for n in range(7))]
    first = list(client.submit_many(commands, batch_size=6, key="import-1"))
    again = list(client.submit_many(iter(commands), batch_size=6, key="import-1", concurrency=1))
    assert again == first
    assert len(service.jobs) == 19
    assert set(keys(service)) == {f"import-1-{n}" for n in range(4)}


def test_other_commands_with_the_same_key_are_refused(client: Client) -> None:
    list(client.submit_many([create()], key="k"))
    with pytest.raises(IdempotencyKeyReused):
        list(client.submit_many([create()], key="k"))


def test_without_a_key_each_iteration_is_new(client: Client, service: Service) -> None:
    command = create()
    list(client.submit_many([command]))
    list(client.submit_many([command]))
    assert len(service.jobs) == 2


def test_a_lost_answer_doubles_nothing(client: Client, service: Service) -> None:
    service.canned += [Canned(0, after_effect=True), Canned(504, {}, problem(504, "timeout"), after_effect=True)]
    submissions = list(client.submit_many([create() for _ in range(30)], batch_size=10, concurrency=1))
    assert len({each.job_id for each in submissions}) == len(service.jobs) == 30
    assert len(batches(service)) == 5


def test_a_batch_waits_for_an_unanswered_one_with_a_command_for_the_same_item(
    client: Client, service: Service
) -> None:
    service.batches.open.clear()
    commands = [merge("a", n=1), merge("a", n=2), merge("b", n=1), create(), merge("b", n=2), merge("a", n=3)]
    submissions: list[Submission] = []
    reader = threading.Thread(
        target=lambda: submissions.extend(client.submit_many(commands, batch_size=1, concurrency=6))
    )
    reader.start()
    eventually(lambda: service.batches.under_way == 3)
    assert sorted(batches(service), key=str) == sorted([[commands[0]], [commands[2]], [commands[3]]], key=str)
    service.batches.open.set()
    reader.join()
    assert [each.place for each in submissions] == list(range(6))
    sent = [batch[0] for batch in batches(service)]
    assert [c for c in sent if c.get("item_id") == "a"] == [commands[0], commands[1], commands[5]]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    items=st.lists(st.sampled_from("abcdef-"), max_size=60),
    batch_size=st.integers(1, 8),
    concurrency=st.integers(1, 5),
    failing=st.sets(st.integers(0, 60), max_size=5),
)
def test_each_items_commands_take_effect_in_their_order(
    client: Client, service: Service, items: list[str], batch_size: int, concurrency: int, failing: set[int]
) -> None:
    """For any batches, any concurrency, and any commands that are not queued at first."""
    commands = [create(n=n) if item == "-" else merge(item, n=n) for n, item in enumerate(items)]
    once = set(failing)

    def cannot_queue(command: Command) -> bool:
        n = (command.get("merge") or command["item"])["n"]
        if n in once:
            once.discard(n)
            return True
        return False

    service.batches.cannot_queue = cannot_queue
    service.applied.clear()
    submissions = list(client.submit_many(commands, batch_size=batch_size, concurrency=concurrency))
    assert [each.command for each in submissions] == commands
    assert all(each.accepted for each in submissions)
    eventually(lambda: len(service.applied) == len(commands))
    for item in "abcdef":
        effects = [command for command in service.applied if command.get("item_id") == item]
        assert effects == [command for command in commands if command.get("item_id") == item]


def test_unqueued_commands_are_sent_again_and_not_overtaken(client: Client, service: Service) -> None:
    outages = iter([True, True])
    service.batches.cannot_queue = lambda command: command.get("merge") == {"n": 1} and next(outages, False)
    commands = [create(), merge("a", n=1), merge("a", n=2), merge("a", n=3), create()]
    submissions = list(client.submit_many(commands, batch_size=3, key="k"))
    assert all(each.accepted for each in submissions)
    assert keys(service).count("k-0") == 3
    eventually(lambda: len(service.applied) == 5)
    assert [c for c in service.applied if c.get("item_id") == "a"] == commands[1:4]
    assert len(service.jobs) == 5


def test_commands_that_are_never_queued_raise_unavailable(service: Service) -> None:
    service.batches.cannot_queue = lambda command: command.get("merge") == {"n": 1}
    commands = [create(), merge("a", n=1), merge("a", n=2)]
    with Client(service.url, KEY, retries=1) as client:
        with pytest.raises(Unavailable):
            list(client.submit_many(commands, batch_size=2, key="k"))
        assert batches(service) == [commands[:2]] * 2, "and the later command of the item has not overtaken it"
        service.batches.cannot_queue = lambda _: False
        assert all(each.accepted for each in client.submit_many(commands, batch_size=2, key="k"))
    assert len(service.jobs) == 3
    eventually(lambda: [c for c in service.applied if "item_id" in c] == commands[1:])


def test_a_fault_of_the_service_is_retried_with_the_same_key_and_then_the_commands_problem(
    service: Service,
) -> None:
    """Its message may have landed: under another key the command would take effect twice."""
    faults = iter([True])
    service.batches.not_queued = (500, "internal-error")
    service.batches.cannot_queue = lambda command: command.get("merge") == {"n": 1} and next(faults, False)
    commands = [create(), merge("a", n=1), merge("b", n=2)]
    with Client(service.url, KEY, retries=1) as client:
        assert all(each.accepted for each in client.submit_many(commands, key="k"))
        assert keys(service) == ["k-0", "k-0"]
        service.batches.cannot_queue = lambda command: command.get("merge") == {"n": 1}
        submissions = list(client.submit_many(commands, key="l"))
    assert [each.accepted for each in submissions] == [True, False, True]
    assert submissions[1].problem is not None
    assert submissions[1].problem.status == 500
    assert len(service.jobs) == 5


def test_nothing_overtakes_a_failed_batch_whose_error_is_not_yet_raised(service: Service) -> None:
    """The first one is held, the second fails: the third, for the same item, must not be sent."""
    go = threading.Event()
    commands = [create(), merge("a", n=1), merge("a", n=2), merge("b", n=1), merge("b", n=2)]

    def cannot_queue(command: Command) -> bool:
        if command["operation"] == "create":
            go.wait(10)
        return command.get("merge") == {"n": 1} and command["item_id"] == "a"

    def submit_all() -> Any:
        with Client(service.url, KEY, retries=0) as client:
            return list(client.submit_many(commands, batch_size=1, concurrency=3))

    service.batches.cannot_queue = cannot_queue
    with ThreadPoolExecutor(1) as pool:
        failing = pool.submit(submit_all)
        # The last batch is sent after all that could be sent before it.
        eventually(lambda: [commands[1]] in batches(service) and [commands[4]] in batches(service))
        go.set()
        with pytest.raises(Unavailable):
            failing.result(10)
    assert [commands[2]] not in batches(service)


def test_an_error_of_the_service_is_raised_after_the_submissions_before_it(service: Service) -> None:
    with Client(service.url, KEY, retries=0) as client:
        many = client.submit_many((create() for _ in range(30)), batch_size=10, concurrency=1)
        assert [next(many).place for _ in range(10)] == list(range(10))
        service.canned += [Canned(403, {}, problem(403))] * 2
        with pytest.raises(Forbidden):
            list(many)
    assert senders() == []


def test_an_error_of_the_commands_iterable_is_raised_after_the_commands_read_before(
    client: Client, service: Service
) -> None:
    """The unfinished batch is not sent, so it can still be completed with the same key."""

    def commands(last: int) -> Iterator[Command]:
        yield from whole[:last]
        if last < len(whole):
            raise OSError("the disk is gone")

    whole = [create() for _ in range(20)]
    submissions: list[Submission] = []
    with pytest.raises(OSError, match="the disk is gone"):
        submissions.extend(client.submit_many(commands(15), batch_size=10, key="k"))
    assert len(service.jobs) == 10
    assert len(list(client.submit_many(commands(20), batch_size=10, key="k"))) == 20
    assert len(service.jobs) == 20


def test_a_command_that_has_no_json_form_raises_value_error(client: Client) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        list(client.submit_many([create(price=float("nan"))]))


@pytest.mark.parametrize("wrong", [{"concurrency": 0}, {"batch_size": 0}, {"batch_size": 101}, {"key": "a b"}])
def test_unusable_arguments_raise_value_error_at_once(client: Client, wrong: Any) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        client.submit_many([], **wrong)


def test_the_longest_key_leaves_room_for_numbers_and_halves(client: Client, service: Service) -> None:
    commands = [create() for _ in range(99)] + [create(price=10**40)]
    submissions = list(client.submit_many(commands, key="k" * LONGEST_KEY))
    assert [each.place for each in submissions if not each.accepted] == [99]
    with pytest.raises(ValueError, match="1 to 200"):
        client.submit_many([], key="k" * (LONGEST_KEY + 1))


def test_closing_early_ends_the_sending(client: Client, service: Service) -> None:
    many = client.submit_many((create() for _ in itertools.count()), batch_size=5)
    next(many)
    many.close()
    assert senders() == []
    sent = len(service.seen)
    assert list(many) == []
    assert len(service.seen) == sent


def test_closing_early_ends_the_retries_too(service: Service) -> None:
    """An interrupt while the service is down must not wait for as long as the service asks to."""

    def commands() -> Iterator[Command]:
        yield create()
        eventually(lambda: service.jobs)
        service.canned += [Canned(503, {"Retry-After": "25"}, problem(503, "unavailable"))] * 100
        while True:
            yield create()

    with Client(service.url, KEY, retries=50) as client:
        many = client.submit_many(commands(), batch_size=1, concurrency=2)
        assert next(many).accepted
        eventually(lambda: len(service.canned) < 100)
        started = time.monotonic()
        many.close()
        assert time.monotonic() - started < 5
    assert senders() == []
