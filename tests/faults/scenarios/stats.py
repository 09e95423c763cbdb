"""Reading the statistics of the queues."""

from __future__ import annotations

from tests.faults.scenarios.parts import Action, create, scenario
from tests.faults.stage.world import World


@scenario
def stats_of_a_backlog(world: World) -> Action:
    create(world, "tent")

    def action() -> None:
        world.lambdas.restart("api_lambda")  # the new process has no cached age
        answer = world.insist("GET", "/stats")
        assert answer.status == 200, answer.text
        assert answer.json["queue"]["oldest_seconds"] in {None, 0}, "the emulator reports no age"

    return action
