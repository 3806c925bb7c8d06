"""Language models that propose templates: interface, loading, decoding."""
