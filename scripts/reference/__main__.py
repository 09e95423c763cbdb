"""`make reference`: the pages of docs/reference as the sources have them now."""

from __future__ import annotations

from infra.settings import ROOT
from scripts.reference import PAGES


def main() -> None:
    """Writes what has changed, and says so."""
    for path, page in PAGES.items():
        before, after = path.read_text() if path.exists() else None, page()
        if before != after:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(after)
            print(f"{path.relative_to(ROOT)} is new")


if __name__ == "__main__":
    main()
