"""Where models go, and whether there is room for them, known before anything is loaded."""
