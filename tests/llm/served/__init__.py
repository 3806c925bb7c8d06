"""An LLM on a server."""
