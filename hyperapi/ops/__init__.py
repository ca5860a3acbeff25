"""What operators run: the command, the server processes, the checks."""
