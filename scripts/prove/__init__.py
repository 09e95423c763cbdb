"""Proves on a deployed stage that it keeps jobpipe's promises, and writes a report: `make prove STAGE=prod`.

plan          how much a run sends, how long it may take, what it costs, and what needs a confirmation
facts         the stage's limits and settings, and whether it can be proved at all
callers       requests of a careful caller, with an Idempotency-Key and retries after 429 and 5xx
expenses      counts requests and jobs, and prices them with the cost model
made          what the run has made, and its deletion, even after Ctrl-C
bench         what the checks share: the stage, its temporary owners, items, the remaining time
findings      the findings of checks
checks        a module for each check, which sends a bounded load and judges what it saw with pure functions
checking      runs a check within its time
proof         a run, from the first key to the report
report, page  the report as JSON and as an HTML page
"""
