"""What the API Lambda and the worker Lambda share: commands, jobs, messages, and the stores behind them.

Modules below the line import AWS, modules above it do not (tests/unit/test_layers.py holds that):

    errors  settings  limits  clock  violations  json_text  etags  item_rules  commands  job_ref  item  job  batch
    queue_message  send_rounds  deadline  backlog  ports  missing  item_reader  retry
    ---------------------------------------------------------------------------------------------------------
    aws  dynamodb_rows  dynamodb_job_lists  dynamodb_jobs  dynamodb_batches  dynamodb_items  s3_documents
    sqs_backlog  sqs_commands  sqs_parked  stores
    telemetry  metrics
"""

__version__ = "0.1.0"
