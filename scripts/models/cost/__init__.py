"""What jobs cost on AWS, priced from counted calls and measured times.

data          prices, assumptions, counted calls, measured times and the templates' defaults, each from its file
usage         amounts of what AWS bills, and their price
pipeline      jobpipe: one request, one command, one way of hearing of its end
alternatives  what the same would cost otherwise: the synchronous original, a container, a naive pipeline
standing      what a stage costs in a month in which nothing happens
sheets        all of it as tables, for people, for scripts and for docs/cost.md
"""
