"""Scripts that are exported: each runs as it stands, with the settings of a run at its top.

What is between the lines of ``SETTINGS`` is replaced by those of the run. They import nothing of
glov, and glov imports none of them: they are read as text.
"""
