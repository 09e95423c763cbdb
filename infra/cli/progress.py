"""What a deployment says while it runs: one line per event, coloured on a terminal, plain elsewhere."""

from rich.console import Console
from rich.markup import escape

from infra.cli.console import LastingConsole
from infra.cli.reasons import on_screen

_STYLES = (("FAILED", "bold red"), ("ROLLBACK", "yellow"), ("COMPLETE", "green"))


class Progress:
    """Prints lines; safe to share between threads."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or LastingConsole(highlight=False, soft_wrap=True)

    def say(self, line: str) -> None:
        self._console.print(escape(line))

    def event(self, stack: str, status: str, what: str, reason: str = "") -> None:
        """One step of one stack."""
        style = next((style for part, style in _STYLES if part in status), "default")
        tail = f"  {escape(on_screen(reason))}" if reason else ""
        self._console.print(f"  {escape(stack):28} [{style}]{status:18}[/] {escape(what)}{tail}")

    def marked(self, line: str, style: str) -> None:
        """A line that stands out on a terminal."""
        self._console.print(f"[{style}]{escape(line)}[/]")
