"""An open-loop load generator: `make load RATE=20 SECONDS=10`.

plan        how much load, at which times, and what needs a confirmation
generator   sends at the planned times, whatever the answers; follows a sample of the jobs to their ends
http_calls  one timed request of a caller
report      percentiles, and the report of a run
"""
