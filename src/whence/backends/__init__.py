"""The only place that knows a database: one backend per module, strangers to one another."""
