"""Encoder-decoder VLMs such as LLaVA: a template is a question, and the answer names a class."""
