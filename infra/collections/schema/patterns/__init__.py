"""Compiles a `pattern` to a test whose time is linear in the text, whatever the text is."""
