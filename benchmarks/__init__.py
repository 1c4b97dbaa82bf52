"""How fast whence is, beside a floor (plain sqlite3, the same durable work) and a peer."""
