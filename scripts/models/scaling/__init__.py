"""A simulation of jobpipe on AWS: which limit breaks first at which rate, and how long a backlog lasts.

assumptions     quotas, service times and write units (assumptions.json), and the limits of a stage
scenario        what happens to a stage, and what a run counts
quotas          limits with a memory, and the parts of a stage that they hold back
job_by_job      the exact simulation, up to some hundred jobs a second
cohorts         the simulation for every rate: the jobs of one tick move together
sizing          raise the limit that breaks first until none breaks
failure_index   the index of failed and retrying jobs, by itself
figures         every run of the report
tables, plots   docs/scaling.md from the figures

tests/scaling compares it with queueing theory and with real runs on an emulator.
"""
