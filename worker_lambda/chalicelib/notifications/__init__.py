"""Notifications: from the ends of jobs to the requests that receivers get.

notify    a message on the queue of events → one delivery for each event and webhook, and a message for its line
deliver   a line → its first pending delivery, attempted until it is delivered or given up, then the next one
wait      messages that wait for a time, and sweeps through all deliveries of a webhook
bus, task_tokens  the other receivers: an event bus, and Step Functions tasks that wait for jobs
parallel  calls that are made at the same time
post      one request to a receiver, which cannot reach the stage's own network
consumers the consumers of the three queues
services  the stores and queues that the other modules use
"""
