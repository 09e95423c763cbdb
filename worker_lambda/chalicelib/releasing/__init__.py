"""Release: what has waited for its time goes to the queue of commands.

sweep     one invocation: each shard of the schedule, now and when its next command is due
release   one pass through a shard: read what is due, send it, mark it
services  the stores and the queue that they use
"""
