"""What happens to a tent."""

from jobpipe.operation import operation


@operation(takes={"number": {"type": "integer", "minimum": 1, "maximum": 1000}})
def receive(tent, number):
    """Add to the stock."""
    return {**tent, "stock": min(tent.get("stock", 0) + number, 10**9)}
