"""The stage of a run: an emulator of its own, and a proxy between Lambdas and AWS and between callers and API."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.cli.progress import Progress
from infra.deployment.plan import Deployer
from infra.deployment.readiness import wait_until_healthy
from infra.emulator.server import running_emulator
from infra.settings import LOCAL_STAGE, Settings
from infra.targets.target import EMBEDDED, find_target
from tests.chaos.faults import Call, Fault, Faults
from tests.chaos.killer import Runtimes
from tests.chaos.poison import lethal
from tests.chaos.proxy import Proxy, running_proxy
from tests.chaos.tally import Tally
from tests.helpers.deployed import Stage

WORKER = {"WorkerTimeout": "10"}
"""Five seconds, as emulators have it, are little for ten commands one after the other among faults."""

VISIBILITY = 3
"""Seconds that a killed worker's messages stay away; 30 as deployed. Less than the worker's time-out is safe here
only: MiniStack gives a FIFO queue's next batch out when the one before has ended."""

_FUNCTIONS = ("api_function", "worker_function", "dead_letters_function")


@dataclass(frozen=True)
class Laboratory:
    """A stage in which things go wrong."""

    state_dir: Path  # where the stage's file is
    stage: Stage
    proxy: Proxy
    runtimes: Runtimes
    faults: Faults
    happened: Tally  # faults, by kind
    kills: Tally  # by function and reason

    @property
    def base_url(self) -> str:
        """Of the API, for callers: through the proxy."""
        return self.stage.deployment.base_url.replace(str(self.stage.deployment.endpoint_url), self.proxy.url)

    @property
    def worker(self) -> str:
        return self.stage.resources["worker_function"]

    def queue(self, name: str) -> str | None:
        """A queue's URL; None if the stage has none of this name."""
        return self.stage.resources.get(f"{name}_queue_url")


@contextmanager
def laboratory(state_dir: Path, faults: Faults, progress: Progress | None = None) -> Iterator[Laboratory]:
    """A fresh stage for the time of the block; nothing of it is left behind."""
    with ExitStack() as stack:
        emulator = stack.enter_context(running_emulator(state_dir))
        here = Settings(stage=LOCAL_STAGE, port=emulator.port, endpoint_url=None, state_dir=state_dir)
        target = find_target(EMBEDDED, LOCAL_STAGE, here, start=False)
        running = emulator.status()
        if target is None or running is None:
            raise RuntimeError("the emulator that was just started is gone")
        stage = Stage(Deployer(target, LOCAL_STAGE, here, progress or Progress(), WORKER).deploy())
        proxy = stack.enter_context(running_proxy(emulator.port))
        functions = [stage.resources[name] for name in _FUNCTIONS if name in stage.resources]
        happened, kills = Tally(), Tally()
        runtimes = Runtimes(running.pid, functions, kills)
        _lead_through(proxy.url, stage, functions)
        proxy.noted = happened.add
        proxy.kill = lambda call, fault: _kill(runtimes, call, fault, proxy)
        proxy.decide = lambda call: lethal(call) or faults.draw(call)
        yield Laboratory(state_dir, stage, proxy, runtimes, faults, happened, kills)


def _kill(runtimes: Runtimes, call: Call, fault: Fault, proxy: Proxy) -> None:
    victim = runtimes.owner(call.client_port, proxy.port)
    if victim is None:
        return
    why = fault.kind.removeprefix("killed ")
    if not fault.kill_after:
        runtimes.kill(victim, why)
        return
    later = threading.Timer(fault.kill_after, runtimes.kill, (victim, why))
    later.daemon = True
    later.start()


def _lead_through(proxy_url: str, stage: Stage, functions: list[str]) -> None:
    """The functions reach AWS through the proxy; what the emulator does for them (receive, delete) does not."""
    client: Any = stage.aws("lambda")
    for function in functions:
        settings = client.get_function_configuration(FunctionName=function)
        variables = {**settings["Environment"]["Variables"], "AWS_ENDPOINT_URL": proxy_url}
        client.update_function_configuration(FunctionName=function, Environment={"Variables": variables})
        client.get_waiter("function_updated_v2").wait(FunctionName=function, WaiterConfig={"Delay": 1})
    for name in ("commands_queue_url", "dead_letters_queue_url"):
        stage.aws("sqs").set_queue_attributes(
            QueueUrl=stage.resources[name], Attributes={"VisibilityTimeout": str(VISIBILITY)}
        )
    wait_until_healthy(stage.deployment.base_url)
    stage.client.wait(stage.client.read("warm-up"), timeout=120)
