"""Parameters that several stacks have, such as WorkerTimeout: all of them follow the stack that is deployed first.

Each stack keeps its own values, so that a deployment that ended between two stacks would leave them apart.
"""

from dataclasses import dataclass, field

from infra.cli.progress import Progress
from infra.stacks.change_sets import Stacks
from infra.templates.sources import Template


@dataclass(frozen=True)
class SharedParameters:
    """The values of one deployment, or of one that is only shown, whose stacks come in their order."""

    stacks: Stacks
    progress: Progress
    defaults: dict[str, str]
    _of_earlier: dict[str, tuple[str, str]] = field(default_factory=dict)  # value, and whose it is

    def given_to(self, stack: str, template: Template, given: dict[str, str]) -> dict[str, str]:
        """What is given to this stack: what the operator gave, and what stacks before it have."""
        shared = {name: self._of_earlier[name] for name in template["Parameters"] if name in self._of_earlier}
        wanted = {name: value for name, (value, _) in shared.items()} | given
        own = self.stacks.planned(stack, template, given, self.defaults)
        for name, (value, first) in shared.items():
            if name not in given and own.get(name, value) != value:
                self.progress.say(f"{stack}: {name} becomes {value}, as {first} has it; it was {own[name]}")
        for name, value in self.stacks.planned(stack, template, wanted, self.defaults).items():
            self._of_earlier.setdefault(name, (value, stack))
        return wanted
