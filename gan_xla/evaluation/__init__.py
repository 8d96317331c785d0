"""What a trained method does, measured: `evaluate` for `--mode=evaluate`, on `suite` and its `cases`.

`metrics` are numbers of arrays, `judges` networks trained on real images that tell what others show, `features`
published networks that see them. Nothing here is a loss; nothing here draws pages.
"""

BETTER_HIGHER = ("modes", "psnr", "ssim", "ms_ssim", "inception_score", "asked")
BETTER_LOWER = ("l1", "l2", "lpips", "kid", "fd", "swd", "azimuth")
