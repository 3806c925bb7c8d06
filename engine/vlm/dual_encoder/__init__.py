"""Dual encoders such as CLIP: class texts against image features."""
