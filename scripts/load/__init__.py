"""An open-loop load generator: `make load RATE=20 SECONDS=10`.

plan        how much load, at which times, and what needs a confirmation
generator   sends at the planned times, whatever the responses; follows a sample of the jobs to their ends
http_calls  timed requests
report      percentiles, and the report of a run
"""
