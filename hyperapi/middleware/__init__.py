"""What surrounds every request: proxies, other origins, limits, the log."""
