"""Live chaos: a stage on an emulator of its own, many callers, and everything that can go wrong going wrong.

run        one run from nothing to a verdict: `python -m tests.chaos`
laboratory the stage: emulator, deployment, the proxy between the Lambdas and AWS and between callers and API
proxy      forwards HTTP on loopback, and does what it is told instead: refuse, drop, delay, kill
faults     what goes wrong with which call, by seeded chance
killer     the emulator's Lambda processes, and SIGKILL for them
intruder   what no caller sends: second copies of messages, and garbage
caller     one caller's HTTP requests, repeated after failures as a client would
load       what the callers ask for
poison     a command that kills its worker every time, in one batch with nine others
history    what must hold of all that was asked and answered (pure)
stores     what must hold of tables, queues and bucket
report     the summary for people
"""
