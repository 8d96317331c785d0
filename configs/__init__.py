"""The recipes, a file each; `base` has every field that they have."""
