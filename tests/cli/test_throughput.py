"""How many jobs were accepted, have ended and have failed, from bounded readings of the list of all jobs."""

from __future__ import annotations

import time

import pytest

from jobpipe_client import Client
from jobpipe_client.cli.watching import throughput
from jobpipe_client.cli.watching.recent_jobs import Counts, RecentJobs
from tests.cli.activity import end_job, put_job, rfc3339
from tests.client.service import KEY, Service


@pytest.fixture
def recent(service: Service) -> RecentJobs:
    return RecentJobs(Client(service.url, KEY))


@pytest.fixture
def now() -> float:
    return round(time.time())


def numbers(counts: Counts) -> tuple[int, int | None, int]:
    return counts.accepted, counts.ended, counts.failed


def known(recent: RecentJobs, now: float, seconds: float) -> Counts:
    counts = recent.counts(now, seconds)
    assert counts is not None
    return counts


def requests(service: Service) -> int:
    return sum(seen.path == "/jobs" for seen in service.seen)


def read_before_and_after(service: Service, recent: RecentJobs, now: float, accepted: list[float]) -> None:
    """Read before and after five seconds, in which jobs are accepted after so many seconds and end."""
    put_job(service, now - 2, now - 1)
    recent.read(now)
    for seconds in accepted:
        put_job(service, now + seconds, now + 4.5)
    recent.read(now + 5)


def test_jobs_are_counted_in_the_period_in_which_they_were_accepted_or_ended(
    service: Service, recent: RecentJobs, now: float
) -> None:
    put_job(service, now - 400, now - 350)  # longer ago
    put_job(service, now - 320, now - 200, "failed")
    put_job(service, now - 200, now - 30)
    put_job(service, now - 100, now - 90)
    put_job(service, now - 50, now - 20, "failed")
    put_job(service, now - 10)
    recent.read(now)
    assert numbers(known(recent, now, 60)) == (2, 2, 1)
    assert numbers(known(recent, now, 300)) == (4, 4, 2)
    assert known(recent, now, 300).seconds == 300
    assert not known(recent, now, 300).is_estimate
    assert numbers(known(recent, now, 5)) == (0, 0, 0)


def test_a_job_that_ends_later_is_counted_when_it_has_ended(
    service: Service, recent: RecentJobs, now: float
) -> None:
    slow = put_job(service, now - 100)
    for n in range(350):  # more than a reading of the newest jobs has
        put_job(service, now - 20 + n / 100, now - 10)
    recent.read(now)
    late = [put_job(service, now + n / 100, now + 5) for n in range(350)]
    end_job(service, slow, now + 6)
    recent.read(now + 7)
    assert len(late) == 350
    assert known(recent, now + 7, 1.5).ended == 0, "the slow job was not among the first jobs that were read"
    again = put_job(service, now + 8)
    recent.read(now + 9)
    for n in range(350):
        put_job(service, now + 10 + n / 100, now + 14)
    end_job(service, again, now + 16)
    recent.read(now + 17)
    assert known(recent, now + 17, 1.5).ended == 1, "it is older than the newest jobs"


def test_a_reading_is_bounded(service: Service, recent: RecentJobs, now: float) -> None:
    for n in range(3000):
        put_job(service, now - 300 + n / 10, now - 1 if n % 2 else None)
    recent.read(now)
    assert requests(service) <= 5
    for n in range(1500):
        put_job(service, now + n / 500)
    recent.read(now + 4)
    assert requests(service) <= 10


def test_how_many_have_ended_is_not_known_while_unknown_jobs_end(
    service: Service, recent: RecentJobs, now: float
) -> None:
    jobs = [put_job(service, now - 100 + n / 10) for n in range(1000)]
    recent.read(now)
    first = known(recent, now, 300)
    assert first.ended is None, "older jobs end, which no reading has seen"
    assert 25 < first.seconds < 35, "the newest three pages"
    assert first.accepted == pytest.approx(10 * first.seconds, abs=2)
    assert throughput.describe(first)[1] == [f"{first.accepted} jobs accepted"], "nothing is said of the ends"
    for n, job in enumerate(jobs):
        end_job(service, job, now + n / 100)  # in their order: from 7 s on those that are known
    for after in range(1, 31):
        recent.read(now + after)
    later = known(recent, now + 30, 60)
    assert later.ended == pytest.approx(300, abs=2)
    assert later.seconds == pytest.approx(23, abs=1)


def test_jobs_that_come_faster_than_they_are_read_are_estimated(
    service: Service, recent: RecentJobs, now: float
) -> None:
    read_before_and_after(service, recent, now, [n / 300 for n in range(1200)])
    counts = known(recent, now + 5, 5)
    assert counts.is_estimate
    assert counts.accepted == pytest.approx(1200, rel=0.2)
    assert throughput.describe(counts) == (
        "last 5 seconds, about",
        ["1,200 jobs accepted", "1,200 ended"],
    )
    assert requests(service) <= 1 + 3


def test_while_jobs_come_in_batches_faster_than_they_are_read_no_number_is_said(
    service: Service, recent: RecentJobs, now: float
) -> None:
    read_before_and_after(service, recent, now, [n // 100 / 3 for n in range(1200)])
    assert recent.counts(now + 5, 5) is None
    assert throughput.choose_counts(recent, now + 5) == []


def test_after_that_the_numbers_are_those_since_the_oldest_job_that_is_known(
    service: Service, recent: RecentJobs, now: float
) -> None:
    read_before_and_after(service, recent, now, [n // 100 / 3 for n in range(1200)])
    later = [put_job(service, now + 20) for _ in range(3)]
    for job_id in later[:2]:
        end_job(service, job_id, now + 21)
    recent.read(now + 30)
    fresh = RecentJobs(Client(service.url, KEY))
    fresh.read(now + 30)
    counts, of_fresh = recent.counts(now + 30, 60), fresh.counts(now + 30, 60)
    assert counts is not None
    assert of_fresh is not None
    assert counts.seconds == of_fresh.seconds == 25.5, "since the jobs of before have ended"
    assert numbers(counts) == numbers(of_fresh) == (3, 2, 0)


def test_a_scheduled_job_is_not_waited_for(service: Service, recent: RecentJobs, now: float) -> None:
    service.jobs[put_job(service, now - 250)]["status"] = "scheduled"
    recent.read(now - 30)
    for n in range(350):
        put_job(service, now - 20 + n / 100, now - 1)
    recent.read(now)
    before = requests(service)
    recent.read(now + 1)
    assert requests(service) - before <= 3, "no page of older jobs"
    assert known(recent, now + 1, 60).late == 0


def test_jobs_of_long_ago_are_forgotten(service: Service, recent: RecentJobs, now: float) -> None:
    for n in range(50):
        put_job(service, now - 100 + n, now - 40)
    recent.read(now)
    service.jobs.clear()
    recent.read(now + 400)
    assert not recent._seen
    assert numbers(known(recent, now + 400, 300)) == (0, 0, 0)


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        (Counts(60, 0, 1, 1, 0), "last minute: 1 job accepted, 1 ended, of which none failed"),
        (Counts(60, 3, 12, 0, 0), "last minute: 12 jobs accepted, none ended"),
        (
            Counts(60, 0, 1240, 1180, 3),
            "last minute: 1,240 jobs accepted (21 a second), 1,180 ended (20 a second), of which 3 failed",
        ),
        (
            Counts(300, 0, 600, 59, 59),
            "last 5 minutes: 600 jobs accepted (2.0 a second), 59 ended, of which 59 failed",
        ),
        (Counts(300, 0, 0, 0, 0), "last 5 minutes: none of your jobs was accepted or ended"),
        (Counts(60, 11, 0, 0, 0), "last minute: none of your jobs was accepted or ended"),
        (Counts(60, 11, 1, 0, 0), "last minute: 1 job accepted, none ended, as of 11 seconds ago"),
        (Counts(60, 16, 0, 0, 0), "last minute: none of your jobs was accepted or ended, as of 16 seconds ago"),
        (Counts(0.2, 0, 5, 0, 0), "last 2 seconds: 5 jobs accepted, none ended"),
        (
            Counts(40, 25, 2345, 1999, 12, is_estimate=True),
            (
                "last 40 seconds, about: 2,300 jobs accepted (59 a second), "
                "2,000 ended (50 a second), of which 12 failed, as of 25 seconds ago"
            ),
        ),
        (Counts(60, 4, 7, None, 0), "last minute: 7 jobs accepted"),
        (
            Counts(60, 150, 1, 2, 0),
            "last minute: 1 job accepted, 2 ended, of which none failed, as of 2 minutes ago",
        ),
    ],
    ids=lambda each: each.split(":")[0] if isinstance(each, str) else "",
)
def test_the_words_say_what_is_counted_and_in_which_period(counts: Counts, shown: str) -> None:
    label, parts = throughput.describe(counts, with_rates=True)
    assert f"{label}: {', '.join(parts)}" == shown


def test_less_than_two_minutes_are_one_line(service: Service, recent: RecentJobs, now: float) -> None:
    for n in range(350):
        put_job(service, now - 35 + n / 10, now - 35 + n / 10)
    recent.read(now)
    (only,) = throughput.choose_counts(recent, now)
    assert 25 < only.seconds < 35
    for later in range(10, 200, 10):
        put_job(service, now + later, now + later)
        recent.read(now + later)
    minute, longer = throughput.choose_counts(recent, now + 190)
    assert (minute.seconds, longer.seconds) == (60, 180)
    assert throughput.describe(longer)[0] == "last 3 minutes"


def test_the_services_clock_counts(service: Service) -> None:
    service.clock_ahead = -7200
    client = Client(service.url, KEY)
    client.health()
    assert client.transport.service_time().timestamp() == pytest.approx(time.time() - 7200, abs=2)
    service.clock_ahead = 0
    client.health()
    assert client.transport.service_time().timestamp() == pytest.approx(time.time(), abs=2)


def test_a_time_is_written_as_the_service_does() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"


def test_a_slow_service_is_asked_for_one_page_of_each(service: Service, recent: RecentJobs, now: float) -> None:
    service.silent_for = 0.6
    before = [put_job(service, now - 9 + n / 100) for n in range(900)]
    recent.read(now)
    assert requests(service) == 1, "no page of older jobs, since none are known"
    for n, job in enumerate(before):
        end_job(service, job, now + n / 1000)
    for n in range(300):
        put_job(service, now + n / 1000)
    recent.read(now + 1)
    assert requests(service) == 3
