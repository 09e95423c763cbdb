"""The reference models: what outcomes and state must be."""
