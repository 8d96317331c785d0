"""Metrics beside those of the libraries that papers use, on the built-in images. Needs the packages of `parity`."""

import pytest
import stubs

from experiments import metrics_parity

pytestmark = pytest.mark.slow


def test_metrics_agree_with_their_reference_libraries(monkeypatch):
    # torch-fidelity imports torchvision for what is not used here.
    parts = ("", ".transforms", ".transforms.functional", ".datasets", ".models", ".models.vgg")
    stubs.install(monkeypatch, *(f"torchvision{part}" for part in parts))
    for library in ("torch", "torch_fidelity", "prdc", "skimage", "pytorch_msssim", "torchmetrics", "cleanfid"):
        pytest.importorskip(library)
    rows = metrics_parity.compare(150)
    apart = {row.measure: row.difference for row in rows if not row.difference <= row.tolerance}
    assert not apart
    assert len({row.reference for row in rows}) == 7 and len(rows) == len({row[:2] for row in rows}) > 25
