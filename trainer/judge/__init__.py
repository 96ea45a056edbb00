"""Judging a model's file: scores, metrics, thresholds with their guarantee."""
