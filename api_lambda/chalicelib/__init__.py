"""The API Lambda: from an HTTP request to a queued job, and from a job to an HTTP answer.

routes → items, jobs, meta → answer → submit, wait → jobpipe
         wait → circuit_breaker: whether it is worth it
         batches → submit_batch → jobpipe
         http_requests: what a request says    job_responses: what an answer says
openapi, docs_page: what all of this promises, put together when it is first asked for
console_page, console/: the page at /console, and the parts that it is put together from
application: binds the routes to Chalice, errors to problem documents, requests to log lines
"""
