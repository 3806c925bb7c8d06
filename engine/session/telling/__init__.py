"""Telling a person what happens in a run, from the engine's process: it needs no screen."""
