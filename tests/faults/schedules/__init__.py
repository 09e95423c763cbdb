"""The faults that are injected, their places, and the runs with them."""
