"""Output whose reader may close it early, as `head` does; the command continues and keeps its exit status."""

import re
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from jobpipe_client.cli.exits import silence


class LastingConsole(Console):
    """A console that drops its output once the reader has closed it; rich's own ends the process with status 1.

    With `soft_wrap` a line of text gets no line breaks, except on a terminal, where it gets them between words.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """Print the objects, as rich does."""
        if self.soft_wrap and self.is_terminal and len(objects) == 1 and isinstance(objects[0], str):
            text = self.render_str(objects[0], markup=options.pop("markup", None))
            objects = (Text("\n").join(between_words(text, self.width)),)
        super().print(*objects, **options)

    def on_broken_pipe(self) -> None:
        """Write nothing from now on."""
        self.quiet = True
        silence(sys.stderr if self.stderr else sys.stdout)


def between_words(text: Text, width: int) -> list[Text]:
    """Break a text into lines of at most `width` characters. A longer word gets a line of its own.

    rich would break or shorten that word, and a terminal breaks the word at its edge, so that a URL could not be
    copied. The parts of a line keep its indentation.
    """
    lines: list[Text] = []
    for whole in text.split(allow_blank=True):
        indentation = len(whole.plain) - len(whole.plain.lstrip())
        breaks, start = [], 0
        for word in re.finditer(r"\S+", whole.plain):
            if word.end() - start > width and whole.plain[start : word.start()].strip():
                breaks.append(word.start())
                start = word.start() - indentation
        first, *others = whole.divide(breaks)
        lines += [first, *(Text(" " * indentation) + other for other in others)]
    for line in lines:
        line.rstrip()
    return lines


def emit(line: str) -> None:
    """Print one line of machine-readable output."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        silence(sys.stdout)
