"""Measuring the learners on sets of real parts, through the commands that a user has."""
