"""Compiles a `pattern` to a test whose time is linear in the length of any text."""
