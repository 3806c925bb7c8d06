"""The panes of the cockpit: each draws one part of a `RunState`."""
