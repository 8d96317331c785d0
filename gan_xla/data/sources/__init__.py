"""Places that data come from, found by the config's `data.source`: each module has `load(data) -> Dataset`."""
