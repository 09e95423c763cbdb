"""Reads, checks and compiles a folder of collections."""
