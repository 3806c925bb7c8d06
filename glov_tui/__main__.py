"""``python -m glov_tui`` is ``glov``."""

from glov_tui.cli import main

if __name__ == "__main__":
    main()
