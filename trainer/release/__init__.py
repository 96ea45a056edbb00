"""Releasing: a bundle for the box, with golden set and card."""
