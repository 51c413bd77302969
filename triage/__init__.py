"""An assistant for healthcare front desks: it sorts messages, a person answers them."""

__version__ = "0.1.0"
