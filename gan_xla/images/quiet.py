"""Decoders of others kept from warning."""

import contextlib
import threading
import warnings

from PIL import Image

_filters = threading.Lock()  # warnings.catch_warnings changes them for all threads


@contextlib.contextmanager
def quiet():
    """Keeps decoders from warning of damage to what we do not need, and Pillow from a limit of its own."""
    with _filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit
