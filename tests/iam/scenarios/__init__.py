"""What the functions do for their callers, once for each grant that they need for it.

A scenario makes its own stage as root, has one function do one thing under its role, and tells in a few words what
came of it.
"""
