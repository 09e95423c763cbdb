"""The stacks of one deployment, which share parameters such as WorkerTimeout.

Each stack keeps its own values, which may differ after a deployment was interrupted between two stacks. So all
stacks take the value of the first stack.
"""

from dataclasses import dataclass, field

from infra.cli.progress import Progress
from infra.stacks.change_sets import StackResult, Stacks
from infra.stacks.changes import StackDiff, all_added
from infra.templates.sources import Template

Values = dict[str, str]  # parameters or outputs of stacks, by name


@dataclass(frozen=True)
class PlannedStack:
    """A stack as the sources define it."""

    name: str
    template: Template


@dataclass(frozen=True)
class StageStacks:
    """Deploys or compares stacks, which have to be passed in the order of the deployment."""

    stacks: Stacks
    progress: Progress
    defaults: Values
    _shared: dict[str, tuple[str, str]] = field(default_factory=dict)  # the value, and the first stack that has it

    def deploy(self, stack: PlannedStack, given: Values) -> StackResult:
        """Create or update the stack. Parameters not in `given` keep their values or get their defaults."""
        return self.stacks.deploy(stack.name, stack.template, self._share(stack, given), self.defaults)

    def diff(self, stack: PlannedStack, given: Values) -> StackDiff:
        """Return what deploy() would change, or a note if an earlier stack lacks outputs for it."""
        parameters = self._share(stack, given)
        required = {name for name, parameter in stack.template["Parameters"].items() if "Default" not in parameter}
        missing = sorted(required - set(parameters) - set(self.defaults))
        if not missing:
            return self.stacks.diff(stack.name, stack.template, parameters, self.defaults)
        note = f"there can be no change set before the foundation has {', '.join(missing)}"
        if self.stacks.template(stack.name) is None:
            return StackDiff(stack.name, all_added(stack.template), note=f"there is no such stack yet; {note}")
        return StackDiff(stack.name, (), note=note)

    def planned(self, stack: PlannedStack, given: Values) -> Values:
        """Return the value of each parameter after a deployment."""
        return self.stacks.planned(stack.name, stack.template, self._shared_values(stack) | given, self.defaults)

    def _share(self, stack: PlannedStack, given: Values) -> Values:
        """Return and record the stack's parameters; report each value that changes to match another stack."""
        before = self.stacks.planned(stack.name, stack.template, given, self.defaults)
        for name, value in self._shared_values(stack).items():
            if name not in given and before.get(name, value) != value:
                first = self._shared[name][1]
                self.progress.say(f"{stack.name}: {name} becomes {value}, as in {first}; it was {before[name]}")
        parameters = self._shared_values(stack) | given
        for name, value in self.planned(stack, given).items():
            self._shared.setdefault(name, (value, stack.name))
        return parameters

    def _shared_values(self, stack: PlannedStack) -> Values:
        return {name: self._shared[name][0] for name in stack.template["Parameters"] if name in self._shared}
