"""What `jobpipe watch` shows beside jobs: the throughput, running imports and running batches."""
