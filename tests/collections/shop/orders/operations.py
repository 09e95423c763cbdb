"""What happens to an order."""

from jobpipe.operation import Event, Refused, operation

from .totals import total_of


@operation(takes={"invoice": {"type": "integer", "minimum": 1}})
def pay(order, invoice, *, at):
    """Record the payment of an open order under its invoice."""
    if order["status"] != "open":
        raise Refused("not-open", "Only an open order can be paid.")
    return {**order, "status": "paid", "invoice": invoice, "paid_at": at}


@operation(
    takes={"carrier": {"type": "string", "minLength": 1}}, optional={"note": {"type": "string", "maxLength": 500}}
)
def ship(order, carrier, note=None, *, at):
    """Ship a paid order."""
    if order["status"] != "paid":
        raise Refused("not-paid", "Only a paid order can be shipped.")
    shipped = {**order, "status": "shipped", "carrier": carrier, "shipped_at": at}
    if note is not None:
        shipped["note"] = note
    return shipped, Event("shipped", {"number": order["number"], "carrier": carrier})


@operation(
    takes={
        "sku": {"type": "string", "minLength": 1, "maxLength": 40},
        "quantity": {"type": "integer", "minimum": 1, "maximum": 1000},
        "price": {"type": "number", "minimum": 0, "maximum": 100000, "multipleOf": 0.01},
    }
)
def add_line(order, sku, quantity, price):
    """Add a line to an open order, and add up its total anew."""
    if order["status"] != "open":
        raise Refused("not-open", "Lines are added while the order is open.")
    if len(order["lines"]) == 50:
        raise Refused("full", "An order has 50 lines at most.")
    lines = [*order["lines"], {"sku": sku, "quantity": quantity, "price": price}]
    return {**order, "lines": lines, "total": total_of(lines)}
