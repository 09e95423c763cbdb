"""Reading a file: the bytes, lines, rows and batches, and the collection for which the rows are meant."""
