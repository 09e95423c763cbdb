"""Sums of an order."""


def total_of(lines):
    """Return the sum of quantity times price."""
    return sum(line["quantity"] * line["price"] for line in lines)
