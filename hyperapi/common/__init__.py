"""Clock, ids, text and processes: what every other package may use."""
