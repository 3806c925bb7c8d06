"""What ``openai_llm`` is made of: keys, requests, replies and failures of a server."""
