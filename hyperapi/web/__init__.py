"""HTTP: operations, bodies, replies, problems, and what surrounds every request."""
