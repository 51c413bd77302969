"""`triage train-staff`: a practice for new staff, with a score sheet; nothing leaves it."""

from triage.cli.newcomers.command import add_to

__all__ = ["add_to"]
