"""Measures of what a trained method does, apart from its own losses."""
