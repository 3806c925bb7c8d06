"""A run in a browser: who may see it, its page, and a process of `glov attach` for each page."""
