"""What a run found, as files for elsewhere: ``formats`` is the list of them."""
