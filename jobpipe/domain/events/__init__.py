"""What is told when a job ends, and to which webhooks."""
