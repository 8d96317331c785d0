"""Real image sets that are made on the user's machine from packages that a registry carries."""
