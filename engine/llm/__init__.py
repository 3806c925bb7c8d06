"""Language models that propose templates. ``base`` has the interface, ``local`` transformers."""
