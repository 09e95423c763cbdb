"""`make reference`: write the pages of docs/reference that have changed."""

from __future__ import annotations

from infra.settings import ROOT
from scripts.reference import PAGES


def main() -> None:
    """Write the pages, and print which have changed."""
    for path, content in PAGES.items():
        before = path.read_text() if path.exists() else None
        if before != (after := content()):
            path.write_text(after)
            print(f"{path.relative_to(ROOT)} has changed")


if __name__ == "__main__":
    main()
