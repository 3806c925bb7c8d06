"""Screens over the cockpit: editor, details, options, help."""
