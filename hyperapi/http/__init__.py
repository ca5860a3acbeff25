"""HTTP semantics: requests, replies, problems and what every operation shares."""
