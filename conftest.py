"""What all tests in Python share: see tests/e2e/real_bus.py."""

pytest_plugins = ["real_bus"]
