"""Scenarios in which a function needs a grant.

A scenario prepares the stage as the root user, runs one function under its role, and returns the result in words.
"""
