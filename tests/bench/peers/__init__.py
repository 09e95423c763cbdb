"""The programs that jobpipe is compared with."""
