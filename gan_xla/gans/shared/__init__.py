"""Parts that several methods share: chains of generators of `two_domains`, and `noise` of those that draw."""
