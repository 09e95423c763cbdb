"""`jobpipe import`: sends each row of a file of any size once, no matter how often the process is interrupted.

source ─ jsonl, csv_rows ─ batches ─ sender ─ service        report: progress, result, file of failures
                              └─ journal: sent, done, finished ─┘
"""
