"""Decoding: from a prompt to many replies, steered or not, token by token."""
