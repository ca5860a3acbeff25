"""What hyperapi costs, measured: ``python -m benchmarks`` runs it; README.md says what it shows."""
