"""What both Lambdas share: the domain, the runtime and the stores (docs/architecture.md)."""

__version__ = "0.2.0"
