"""Applies the blocks of a page in docs/ to a copy of the checkout, as a reader would."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.commands import ROOT

_BLOCK = re.compile(
    r"^(?:<!-- (?P<instruction>[^\n]*) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_PLACE = re.compile(r"(?P<path>[^\s,]+)(?P<all>, all of it)?(?:, (?P<how>before|after|instead of): (?P<text>.*))?")
_NOT_SOURCES = shutil.ignore_patterns(
    *(".git", ".venv", ".jobpipe", "build", "__pycache__", ".hypothesis", ".*_cache", "*.png")
)


@dataclass(frozen=True)
class Block:
    """A block of a page, and the instruction in the comment above it."""

    language: str
    text: str
    instruction: str | None

    def put(self, checkout: Path) -> None:
        """Write the block to a new file, instead of all of a file, or at a text of it that occurs once."""
        place = _PLACE.fullmatch(self.instruction or "")
        assert place is not None, self.instruction
        path = checkout / place["path"]
        if place["how"] is None:
            assert path.exists() == bool(place["all"]), path
            path.write_text(self.text)
            return
        here, source = place["text"].replace("\\n", "\n"), path.read_text()
        assert source.count(here) == 1, f"{here!r} stands {source.count(here)} times in {place['path']}"
        new = {
            "before": f"{self.text}\n\n{here}",
            "after": f"{here}\n{self.text.removesuffix(chr(10))}",
            "instead of": self.text.removesuffix("\n"),
        }[place["how"]]
        path.write_text(source.replace(here, new))


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page in docs/, in order."""
    text = (ROOT / "docs" / page).read_text()
    return [Block(found["language"], found["text"], found["instruction"]) for found in _BLOCK.finditer(text)]


def copy_of_the_checkout(folder: Path) -> Path:
    """Copy the files that a clone has."""
    return shutil.copytree(ROOT, folder / "jobpipe", ignore=_NOT_SOURCES)
