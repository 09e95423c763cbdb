"""Every link of a page has a target, and every page is linked."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.helpers.commands import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "findings" / "README.md"])
_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(<?([^)>\s]+)>?(?: \"[^\"]*\")?\)")


def links(page: Path) -> list[str]:
    """Return the targets of a page's links, without those in code and those on the network."""
    found = _LINK.findall(_CODE.sub("", page.read_text()))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


@cache
def anchors(page: Path) -> set[str]:
    """Return the fragments that GitHub makes of a page's headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    seen: Counter[str] = Counter()
    found = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", text, flags=re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        found.add(anchor if not seen[anchor] else f"{anchor}-{seen[anchor]}")
        seen[anchor] += 1
    return found


def wrong(page: Path) -> list[str]:
    """Return the links of a page that have no target."""
    found = []
    for link in links(page):
        path, _, fragment = link.partition("#")
        target = page.parent.joinpath(unquote(path)).resolve() if path else page
        if not target.exists() or (fragment and target.suffix == ".md" and fragment not in anchors(target)):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_has_a_target(page: Path) -> None:
    assert wrong(page) == []


def test_every_page_can_be_reached_by_links() -> None:
    """A link to a folder shows its pages."""
    seen, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or not page.exists():
            continue
        seen.add(page)
        for link in links(page):
            target = page.parent.joinpath(link.partition("#")[0] or page).resolve()
            waiting += [target] if target.suffix == ".md" else target.glob("*.md") if target.is_dir() else []
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in seen] == []


def test_links_without_a_target_are_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A title\n\n## It's `code`, twice\n\n## It's code twice\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[good](other.md) [good](other.md#its-code-twice) [good](other.md#its-code-twice-1) [good](#here)\n"
        "[bad](nothing.md) [bad](other.md#its-code) [bad](#there) `[code](code.md)` [net](https://example.com)\n"
        "## Here\n"
    )
    assert wrong(page) == ["nothing.md", "other.md#its-code", "#there"]
