"""Release: scheduled commands that are due go to the queue of commands.

sweep     one invocation: each shard of the schedule, now and when the next command is due
release   one pass through a shard: read the due commands, send them, mark their jobs
services  the stores and the queue that both use
"""
