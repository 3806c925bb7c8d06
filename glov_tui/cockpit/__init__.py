"""The cockpit: the app, its panes and its screens."""
