"""What `jobpipe watch` shows besides jobs: the throughput, running imports and running batches."""
