"""What commands and the cockpit share: text, glyphs, progress."""
