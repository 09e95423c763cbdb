"""The means to run the programs: emulators, stages, processes, stand-ins, recorded calls and rounds."""
