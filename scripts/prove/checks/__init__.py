"""The checks of a stage. In each module, `run` sends requests, and pure functions judge the responses."""
