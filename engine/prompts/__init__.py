"""Prompt templates, and how one is found in an LLM's reply."""
