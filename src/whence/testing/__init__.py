"""Test your domain with `given`, your application with the pytest plugin's fixtures,
your backend with `conformance`.
"""

from whence.clock import ManualClock
from whence.testing.given import given

__all__ = ["ManualClock", "given"]
