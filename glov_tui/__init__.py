"""The command line and the terminal cockpit of glov. All algorithms are in ``engine``."""
