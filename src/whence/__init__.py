"""Commands in, events kept, answers out."""
