"""The random histories: their callers, commands, webhooks and stage."""
