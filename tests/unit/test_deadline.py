"""How long a thread has waited for AWS, which tells an outage from a command that is slow by itself."""

from __future__ import annotations

import time

import pytest

from jobpipe.runtime.aws import outages
from jobpipe.runtime.deadline import leaving, pause


def test_the_time_of_calls_and_of_pauses_between_them_is_waited() -> None:
    with leaving(9, lambda: 9.1) as deadline:
        with outages("The table"):
            time.sleep(0.02)
        called = deadline.waited
        assert called >= 0.02
        pause(0.03)
        time.sleep(0.02)  # the command's own time
        assert deadline.waited == pytest.approx(called + 0.03)


def test_without_a_deadline_calls_and_pauses_are_not_counted() -> None:
    with leaving(9, lambda: 9.1) as earlier:
        pass
    with outages("The table"):
        pause(0)
    assert earlier.waited == 0
