"""How the programs are run: emulators, stages, processes, stand-ins, recorded calls and rounds."""
