"""The rules for documents that `jobpipe import` can check before it sends them."""
