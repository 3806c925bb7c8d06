"""What any model needs, an LLM or a VLM: loading, the hub, its code, memory, threads, a cache."""
