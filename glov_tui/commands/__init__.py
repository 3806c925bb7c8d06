"""The commands of `glov`, one file each."""
