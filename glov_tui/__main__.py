"""``python -m glov_tui`` is ``glov``."""

import sys

if __name__ == "__main__":
    try:
        from glov_tui.cli import main

        main()
    except KeyboardInterrupt:  # while that is imported
        sys.exit(130)
