"""The demo's models: their weights, and how they were trained."""
