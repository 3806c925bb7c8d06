"""A run that is driven elsewhere: its engine has a process of its own, screens come and go.

The engine's process listens on a socket in the run's folder. What goes over it are the events of
the run and the commands of a person, one JSON object a line, and a few messages about who holds
the controls.
"""
