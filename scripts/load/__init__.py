"""An open-loop load generator: `make load RATE=20 SECONDS=10`.

plan        how much, how fast, in which rhythm; what is refused without a confirmation
generator   sends at the planned times, whatever the answers; follows a sample of the jobs to their ends
http_calls  one request of a caller, timed
figures     percentiles
report      what became of it
"""
