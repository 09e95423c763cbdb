"""Telling: from the ends of jobs to requests that receivers have answered.

tell      a message on the queue of events → one delivery for each event and webhook, and a message for its line
deliver   a line → its first pending delivery, attempted until it is delivered or given up, then the next one
wait      messages that wait for a time, and sweeps through all deliveries of a webhook
bus, task_tokens  who else is told: an event bus, and tasks of Step Functions that wait for jobs
together  calls that are made at the same time
post      one request to a receiver, which cannot lead into the stage's own network
consumers how the messages of the three queues are processed
services  the stores and queues that the others use
"""
