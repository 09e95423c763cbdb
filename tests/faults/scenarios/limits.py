"""Commands to a stage that limits how many an owner sends."""

from __future__ import annotations

from tests.faults.scenarios.parts import Action, ask, create, existing, scenario
from tests.faults.stage.world import World

RATE = 1000  # more than any scenario sends


@scenario
def commands_of_a_limited_owner(world: World) -> Action:
    """The first takes what it needs from the owner's allowance, and the second a larger share."""
    tent = existing(world, "tent")

    def action() -> None:
        world.lambdas.limit_owners(RATE)
        create(world, "yurt")
        ask(world, "merge", tent, colour="red")

    return action
