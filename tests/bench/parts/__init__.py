"""The parts of the benchmark, in one module each."""
