"""The worker Lambda: from a batch of SQS messages to ended jobs.

consume_batch     records → one line of deliveries per item → which messages come back, and when
execute           one delivery: command → handler → how the job ends → clean-up
attempts          the bookkeeping of interrupted attempts: what is charged, and when a command is given up
command_handlers  one function per command: read → decide → put the document → one transaction
clean_up          documents that no row points to any more, and claim checks
dead_letters      the backstop: jobs whose messages SQS has given up
parking           messages that are no command of ours
services          what all of them work with
"""
