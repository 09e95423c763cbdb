"""The checks after a run."""
