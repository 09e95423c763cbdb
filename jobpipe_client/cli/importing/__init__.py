"""`jobpipe import`: a file of any size, each row once, whatever ends the process.

file ─ lines ─ rows (jsonl, csv_rows) ─ batches ─ sender ─ service
                                           │        │
                                        journal: sent, done, finished
"""
