"""How the demo's weights were made, and are made again."""
