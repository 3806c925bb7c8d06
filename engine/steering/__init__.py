"""Steering an LLM's hidden states: ``direction`` has what to add, ``injection`` adds it."""
