"""What happens to a tent."""

from typing import Any

from jobpipe.operation import operation


@operation(takes={"number": {"type": "integer", "minimum": 1, "maximum": 1000}})
def receive(tent: dict[str, Any], number: int) -> dict[str, Any]:
    """Add to the stock."""
    return {**tent, "stock": min(tent.get("stock", 0) + number, 10**9)}
