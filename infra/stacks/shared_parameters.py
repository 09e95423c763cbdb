"""Parameters that several stacks have, such as WorkerTimeout: all stacks take the value of the first.

Each stack keeps its own values, which may differ after a deployment that was interrupted between two stacks.
"""

from dataclasses import dataclass, field

from infra.cli.progress import Progress
from infra.stacks.change_sets import Stacks
from infra.templates.sources import Template


@dataclass(frozen=True)
class SharedParameters:
    """The parameters of one deployment, which passes its stacks in their order."""

    stacks: Stacks
    progress: Progress
    defaults: dict[str, str]
    _earlier: dict[str, tuple[str, str]] = field(default_factory=dict)  # the value, and the stack that has it

    def given_to(self, stack: str, template: Template, given: dict[str, str]) -> dict[str, str]:
        """Return what this stack is given: the operator's values, and those of the stacks before it."""
        shared = {name: self._earlier[name] for name in template["Parameters"] if name in self._earlier}
        wanted = {name: value for name, (value, _) in shared.items()} | given
        own = self.stacks.planned(stack, template, given, self.defaults)
        for name, (value, first) in shared.items():
            if name not in given and own.get(name, value) != value:
                self.progress.say(f"{stack}: {name} becomes {value}, as {first} has it; it was {own[name]}")
        for name, value in self.stacks.planned(stack, template, wanted, self.defaults).items():
            self._earlier.setdefault(name, (value, stack))
        return wanted
