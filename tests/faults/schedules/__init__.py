"""Which faults are injected where, and the runs with them."""
