"""Lines for a terminal of any width, which break only between their parts."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

_INDENT = "  "


def wrap_parts(label: str, parts: Sequence[str], width: int) -> list[str]:
    """Return `label: part, part` in lines of at most this width, unless one part is wider."""
    lines, line = [], f"{label}: {parts[0]}" if label else parts[0]
    for part in parts[1:]:
        if cell_len(line) + cell_len(part) + len(", ") < width:
            line += f", {part}"
        else:
            lines.append(f"{line},")
            line = f"{_INDENT}{part}"
    return [*lines, line]


def fits(label: str, parts: Sequence[str], width: int) -> bool:
    """Return whether the label and the parts fit on one line."""
    return len(wrap_parts(label, parts, width)) == 1 and cell_len(f"{label}: {', '.join(parts)}") <= width
