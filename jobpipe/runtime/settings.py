"""The settings of a Lambda, from its environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings that the deployment gives a Lambda."""

    jobs_table: str
    items_table: str
    names_table: str
    collections_table: str
    lookups_table: str
    documents_bucket: str
    commands_queue_url: str
    parked_queue_url: str
    dead_letters_queue_url: str  # empty for the worker, which does not use it
    worker_timeout: float  # seconds
    job_retention: timedelta  # how long an ended job can be read
    longest_wait: float  # seconds for which the API may delay a response until the job ends; 0 for none
    job_lists: bool = False  # whether the jobs table has the index of all jobs
    owner_rate: float = 0.0  # commands of one owner per second; 0 for no limit
    owner_burst: int = 200  # commands of one owner at once
    stage: str = "none"  # part of the source of events
    events: bool = False  # whether events are sent when jobs end
    loopback_webhooks: bool = False  # whether a webhook may have a URL of the local machine
    # With events only:
    webhooks_table: str = ""
    events_queue_url: str = ""
    deliveries_queue_url: str = ""
    deliveries_later_queue_url: str = ""
    event_bus: str = ""  # the ARN of the EventBridge bus that also receives all events; empty for none
    task_tokens: bool = False  # whether Step Functions tasks that wait for jobs are answered

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Self:
        """Return the settings; raise KeyError with the name of a missing variable."""
        return cls(
            jobs_table=environ["JOBS_TABLE"],
            items_table=environ["ITEMS_TABLE"],
            names_table=environ["NAMES_TABLE"],
            collections_table=environ["COLLECTIONS_TABLE"],
            lookups_table=environ["LOOKUPS_TABLE"],
            documents_bucket=environ["DOCUMENTS_BUCKET"],
            commands_queue_url=environ["COMMANDS_QUEUE_URL"],
            parked_queue_url=environ["PARKED_QUEUE_URL"],
            dead_letters_queue_url=environ.get("DEAD_LETTERS_QUEUE_URL", ""),
            worker_timeout=float(environ.get("WORKER_TIMEOUT", "30")),
            job_retention=timedelta(days=float(environ.get("JOB_RETENTION_DAYS", "7"))),
            longest_wait=float(environ.get("MAX_WAIT_SECONDS", "20")),
            job_lists=environ.get("JOB_LISTS", "off") == "on",
            owner_rate=float(environ.get("OWNER_RATE", "0")),
            owner_burst=int(environ.get("OWNER_BURST", "200")),
            stage=environ.get("STAGE", "none"),
            events=environ.get("EVENTS", "off") == "on",
            loopback_webhooks=environ.get("LOOPBACK_WEBHOOKS", "off") == "on",
            webhooks_table=environ.get("WEBHOOKS_TABLE", ""),
            events_queue_url=environ.get("EVENTS_QUEUE_URL", ""),
            deliveries_queue_url=environ.get("DELIVERIES_QUEUE_URL", ""),
            deliveries_later_queue_url=environ.get("DELIVERIES_LATER_QUEUE_URL", ""),
            event_bus=environ.get("EVENT_BUS", ""),
            task_tokens=environ.get("TASK_TOKENS", "off") == "on",
        )
