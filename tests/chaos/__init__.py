"""Live chaos: many callers use a separate stage on an emulator while faults are injected at every call.

run              one run, from the deployment to the verdict: `python -m tests.chaos`
chaos_stage      the stage: emulator, deployment, and a proxy between Lambdas and AWS and between callers and API
proxy            forwards HTTP on loopback, or refuses, drops or delays a call, or has its process killed
faults           draws a fault, or none, for each call from a seed
lambda_processes finds the Lambda processes of the emulator, and kills them by SIGKILL
injector         sends duplicates of messages, and malformed messages
sender           sends the HTTP requests of one caller, and repeats them after failures as a client does
load             chooses the commands of the callers at random
poison           a command that kills its worker at every attempt, in one batch with nine others
transactions     counts the commands that the worker committed together
history          checks all requests and their answers; pure functions
stores           checks tables, queues and bucket after a run
report           the printed summary
"""
