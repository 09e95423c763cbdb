"""What is run against a deployment, as `python -m scripts.<name>`."""
