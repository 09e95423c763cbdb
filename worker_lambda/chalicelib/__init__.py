"""The worker Lambda: from a batch of SQS messages to ended jobs.

sqs_messages      the messages of a batch, as SQS has delivered them
consumer          how the messages of one queue are processed
consume_batch     records → the messages of each item in order → the messages to deliver again, and when
execute           one delivery: command → handler → the end of the job → clean-up
attempts          the state machine of attempts: which attempts count, and when a command is abandoned
command_handlers  one function for each command: read → decide → put the document → one transaction
clean_up          deletes documents that no row refers to any more, and claim checks
dead_letters      ends the jobs whose messages SQS has stopped delivering
parking           moves messages that are not valid commands to the parked queue
services          the stores and queues that the other modules use
"""
