"""The worker Lambda: from a batch of SQS messages to ended jobs.

consume_batch     records → one line of deliveries per item → which messages come back
execute           one delivery: command → handler → how the job ends → clean-up
command_handlers  one function per command: read → decide → put the document → one transaction
clean_up          documents that no row points to any more
"""
