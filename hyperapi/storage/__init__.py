"""The database: models, transactions, statements and what keeps them in order."""
