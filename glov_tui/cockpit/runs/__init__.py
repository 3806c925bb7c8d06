"""Runs in rows: home, which lists them all, what it shares with the fleet, and their chart."""
