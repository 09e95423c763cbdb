"""What jobs cost on AWS, priced from counted calls and measured times.

data          prices, assumptions, counted calls, measured times and the templates' defaults, each from its file
usage         amounts of what AWS bills, and their price
pipeline      jobpipe: one request, one command, one way of learning the end of a job
alternatives  the same jobs otherwise: the synchronous original, a container, a naive pipeline
standing      a stage in a month without jobs
comparisons   what each measure saves, and from where on another way is cheaper
sheets        the tables of docs/cost.md
"""
