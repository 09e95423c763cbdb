"""submit_many after failures: nothing is doubled by a repetition or overtaken, and errors are raised in order."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from jobpipe_client import Client, Forbidden, IdempotencyKeyReused, InvalidRequest, Submission, Unavailable
from tests.client.many import Command, batches, create, eventually, keys, merge, senders
from tests.client.service import KEY, Canned, Service
from tests.client.service_state import problem


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
    """Its message may have been sent, so that with another key the command would take effect twice."""
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
    """The first batch is held and the second fails, so the third, for the same item, must not be sent."""
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
