"""Proves on a deployed stage that it keeps jobpipe's promises, and writes a report: `make prove STAGE=prod`.

plan          how much is sent, how long it may take, and what it costs; what needs a confirmation
facts         what the stage's limits and settings are, and whether it can be proved at all
callers       requests as a careful caller sends them: with an Idempotency-Key, repeated after 429 and 5xx
expenses      counts requests and jobs, and prices them with the cost model
made          what was made, and its deletion, also after Ctrl-C
bench         what the checks share: the stage, its temporary owners, items, the time that is left
findings      what a check has found
checks        one module for each check; each sends something bounded and judges what it saw with pure functions
checking      runs one check within its time
proof         one run, from the first key to the report
report, page  the report as JSON and as a page of HTML
"""
