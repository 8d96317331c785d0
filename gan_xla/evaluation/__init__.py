"""What a trained method does, measured: `evaluate` for `--mode=evaluate`, on `suite` and its `cases`; `compare` runs.

`metrics` are numbers of arrays, `judges` networks trained on real images that tell what others show, `features`
published networks that see them. Nothing here is a loss; nothing here draws pages.
"""

BETTER_HIGHER = (
    "modes", "high_quality", "psnr", "ssim", "ms_ssim", "inception_score", "asked", "precision", "recall", "density",
    "coverage", "pixel_accuracy", "class_accuracy", "miou",
)  # fmt: skip
BETTER_LOWER = ("l1", "lpips", "kid", "fd", "cmmd", "swd", "azimuth", "cycle", "best", "reference")


def better(metric: str) -> str:
    """Which way a number is better, "higher" or "lower", or "" where that depends; that of the input as its own."""
    metric = metric.removesuffix("_input")
    if metric in BETTER_LOWER or metric.startswith("swd_"):
        return "lower"
    return "higher" if metric in BETTER_HIGHER or metric.startswith("iou_") else ""
