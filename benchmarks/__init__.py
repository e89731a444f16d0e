"""What this dialer does in a second, beside its peers and the limit of the machine: `python -m benchmarks --help`."""
