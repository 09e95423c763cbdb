"""What is checked after a run."""
