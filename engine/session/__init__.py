"""A run that is driven or played back here: loading, the engine's thread, commands."""
