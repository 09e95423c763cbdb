"""The stage in this process: the emulator, the Lambdas, the queues, receivers, and a virtual clock."""
