"""Puts saved source files into the Lambdas of a local stage, without a deployment."""
