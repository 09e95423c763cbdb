"""The simulated queue behaves like SQS: order within a group, one consumer for each group, and a window."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from scripts.models.scaling.job_by_job import FifoQueue, Message

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, 4)),
        st.tuples(st.just("receive"), st.integers(1, 10)),
        st.tuples(st.just("done"), st.integers(0, 100)),
        st.tuples(st.just("return"), st.integers(0, 100)),
    ),
    max_size=120,
)


def filled(groups: list[int], window: float = 100, in_flight: float = 100, *, whole: bool = True) -> FifoQueue:
    queue = FifoQueue(window, in_flight, whole_groups=whole)
    for number, group in enumerate(groups, 1):
        queue.send(Message(number, group, 0.0))
    return queue


def numbers(batch: list[Message]) -> list[int]:
    return [message.number for message in batch]


@given(actions=ACTIONS, window=st.integers(1, 20), most=st.integers(1, 20), whole=st.booleans())
def test_messages_of_a_group_are_delivered_in_order_and_to_one_consumer_at_a_time(
    actions: list[tuple[str, int]], window: int, most: int, whole: bool
) -> None:
    queue = FifoQueue(window, most, whole_groups=whole)
    in_flight: list[list[Message]] = []  # each list has one group
    sent: dict[int, list[int]] = {}
    ended: dict[int, list[int]] = {}
    count = 0
    for action, value in actions:
        if action == "send":
            count += 1
            sent.setdefault(value, []).append(count)
            queue.send(Message(count, value, 0.0))
        elif action == "receive":
            batch = queue.receive(value)
            groups = {message.group for message in batch}
            assert not groups & {messages[0].group for messages in in_flight}, "a group has one consumer at a time"
            assert all(message.number in _first(sent, ended, window) for message in batch), (
                "no message beyond the window"
            )
            in_flight += [[message for message in batch if message.group == group] for group in sorted(groups)]
        elif in_flight:
            messages = in_flight.pop(value % len(in_flight))
            done = len(messages) if action == "done" else value % len(messages)
            ended.setdefault(messages[0].group, []).extend(numbers(messages[:done]))
            queue.delete(done)
            queue.unlock(messages[0].group, messages[done:])
        assert queue.in_flight == sum(len(messages) for messages in in_flight) <= most
        assert len(queue) == count - sum(len(each) for each in ended.values())
    for group, each in ended.items():
        assert each == sent[group][: len(each)], "each message is done once, in the order of sending"


def _first(sent: dict[int, list[int]], ended: dict[int, list[int]], window: int) -> list[int]:
    done = {number for each in ended.values() for number in each}
    return sorted(number for each in sent.values() for number in each if number not in done)[:window]


def test_sqs_delivers_whole_groups() -> None:
    assert numbers(filled([1, 2, 1, 2, 1]).receive(4)) == [1, 3, 5, 2]


def test_the_emulator_delivers_the_oldest_messages() -> None:
    queue = filled([1, 2, 1, 2, 1], whole=False)
    assert numbers(queue.receive(4)) == [1, 2, 3, 4]
    assert queue.receive(4) == [], "the last message belongs to a group in flight"


def test_a_group_that_exceeds_the_window_hides_the_others() -> None:
    queue = filled([1, 1, 1, 1, 2], window=3)
    assert numbers(queue.receive(2)) == [1, 2]
    assert queue.exceeds_window
    assert queue.receive(10) == []
    queue.delete(2)
    queue.unlock(1, [])
    assert numbers(queue.receive(10)) == [3, 4, 5]


def test_messages_in_flight_are_limited() -> None:
    queue = filled([1, 2, 3], in_flight=2)
    assert numbers(queue.receive(10)) == [1, 2]
    assert not queue.waiting


def test_an_unfinished_message_is_redelivered_before_the_next_of_its_group() -> None:
    queue = filled([1, 1, 1, 1])
    batch = queue.receive(3)
    queue.delete(1)
    queue.unlock(1, batch[1:])
    redelivered = queue.receive(10)
    assert numbers(redelivered) == [2, 3, 4]
    assert [message.receives for message in redelivered] == [2, 2, 1]
