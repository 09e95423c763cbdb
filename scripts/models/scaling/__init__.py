"""A discrete-event simulation of jobpipe on AWS: what breaks first at which rate, and how long a backlog lasts."""
