"""The figures on PostgreSQL: all sides on one server, with `fsync` and ``synchronous_commit=on``.

Server, clients and whence share the cores of one machine, and talk over TCP on loopback.
"""
