"""What loading any model needs, an LLM or a VLM: the hub, its code, memory, threads."""
