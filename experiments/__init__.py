"""The papers' experiments, repeated: each is a command, `python -m experiments.<name> --help`."""
