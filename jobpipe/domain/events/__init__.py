"""The events of ended jobs, and the webhooks that receive them."""
