"""Reading a file: its bytes, lines, rows and batches, and the collection that the rows are for."""
