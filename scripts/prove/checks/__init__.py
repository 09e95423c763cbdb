"""The checks of a stage, each a module with `run`, which sends, and with pure functions, which judge."""
