"""What a run writes: targets, tables and plots, and the machine that was measured."""
