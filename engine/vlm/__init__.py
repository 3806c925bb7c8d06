"""Vision-language models as fitness functions. Only this package knows which family a VLM is of."""
