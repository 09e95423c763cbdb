"""The API Lambda: turns HTTP requests into queued jobs, and jobs into HTTP responses."""
