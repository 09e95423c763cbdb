"""The progress of a deployment: one line for each event or for each stack, with colours on a terminal."""

from collections import Counter

from rich.console import Console
from rich.markup import escape

from infra.cli.console import LastingConsole
from infra.cli.reasons import on_screen

_STACK = "AWS::CloudFormation::Stack"
_STYLES = (("FAILED", "bold red"), ("ROLLBACK", "yellow"), ("COMPLETE", "green"))


class Progress:
    """Prints lines; threads may share it."""

    def __init__(self, console: Console | None = None, *, in_short: bool = False) -> None:
        """With `in_short`, changed resources are only counted in their stack's line; failures are still printed."""
        self._console = console or LastingConsole(highlight=False, soft_wrap=True)
        self._in_short = in_short
        self._changed: Counter[str] = Counter()  # resources, by stack

    def say(self, line: str) -> None:
        self._console.print(escape(line))

    def event(self, stack: str, status: str, resource: str, reason: str = "") -> None:
        """Print an event of a stack."""
        if self._in_short and status.endswith("COMPLETE") and "ROLLBACK" not in status:
            if not resource.startswith(_STACK):
                self._changed[stack] += 1
                return
            resource = f"{self._changed.pop(stack, 0)} resources"
        style = next((style for part, style in _STYLES if part in status), "default")
        tail = f"  {escape(on_screen(reason))}" if reason else ""
        self._console.print(f"  {escape(stack):28} [{style}]{status:18}[/] {escape(resource)}{tail}")

    def marked(self, line: str, style: str) -> None:
        """Print a line in one of rich's styles."""
        self._console.print(f"[{style}]{escape(line)}[/]")
