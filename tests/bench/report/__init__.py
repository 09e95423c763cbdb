"""The report of a run: its targets, tables and plots, and the machine that was measured."""
