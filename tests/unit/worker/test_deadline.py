"""How long a thread has waited for AWS, which tells an outage from a command that is slow by itself."""

from __future__ import annotations

import random
import time

import pytest

from jobpipe.runtime.aws import aws_call
from jobpipe.runtime.deadline import limit_calls, pause_after


def test_the_time_of_calls_and_of_pauses_between_them_is_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    longest = []

    def chosen(_: float, most: float) -> float:
        longest.append(most)
        return 0.03

    monkeypatch.setattr(random, "uniform", chosen)
    with limit_calls(9, lambda: 9.1) as deadline:
        with aws_call("The table"):
            time.sleep(0.02)
        called = deadline.waited
        assert called >= 0.02
        pause_after(0)
        time.sleep(0.02)  # the command's own time
        assert deadline.waited == pytest.approx(called + 0.03)
        pause_after(1)
    assert longest == [0.05, 0.1]


def test_without_a_deadline_calls_and_pauses_are_not_counted() -> None:
    with limit_calls(9, lambda: 9.1) as earlier:
        pass
    with aws_call("The table"):
        pause_after(0)
    assert earlier.waited == 0
