"""How many commands each owner may still send, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class MemoryAllowances:
    """Allowances, which counts its calls."""

    full_at: dict[str, int] = field(default_factory=dict)
    calls: int = 0

    def take(self, owner: str, *, at: int, duration: int, latest: int, known: int) -> tuple[bool, int]:
        self.calls += 1
        current = self.full_at.get(owner, 0)
        moved = max(current, at) + duration
        if (known > at) != (current > at) or (known > at and moved > latest):
            return False, current
        self.full_at[owner] = moved
        return True, moved
