"""The closed loop of urgent messages, follow-ups, and the order of the queue."""
