"""The worker Lambda's entry point: `app.work` is the handler of the command queue."""

import os
from functools import cache
from typing import Any

from chalice.app import Chalice, ConvertToMiddleware, SQSEvent
from chalicelib.consume_batch import consume_batch
from chalicelib.execute import execute

from jobpipe.aws import AwsClients
from jobpipe.settings import Settings
from jobpipe.stores import Stores, open_stores
from jobpipe.telemetry import logger

app = Chalice(app_name="jobpipe-worker")
app.register_middleware(ConvertToMiddleware(logger.inject_lambda_context), "sqs")


@cache
def open_worker_stores() -> Stores:
    """The stores on AWS that the Lambda's settings name."""
    clients = AwsClients()
    _ = clients.dynamodb, clients.s3  # what every command needs
    return open_stores(Settings.from_env(os.environ), clients)


@app.on_sqs_message(queue="commands", batch_size=10, name="work")
def work(event: SQSEvent) -> dict[str, Any]:
    """Apply a batch of commands; the answer names the messages that SQS is to deliver again."""
    stores = open_worker_stores()
    return consume_batch(event.to_dict()["Records"], lambda delivery: execute(delivery, stores))


# In Lambda the clients are made during INIT; `chalice package` imports this file too and has no settings.
if "AWS_CHALICE_CLI_MODE" not in os.environ:
    open_worker_stores()
