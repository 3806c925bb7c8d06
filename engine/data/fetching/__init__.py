"""Data sets by plain downloads: resumed, compared with their hashes, unpacked as a whole."""
