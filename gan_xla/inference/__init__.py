"""Trained models in use: `model` loads them, `translate` and `sample` are the modes that write files.

`tiling` takes images too large for the memory. Imports no TensorFlow.
"""
