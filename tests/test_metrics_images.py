"""Measures of images, label maps and one-to-many outputs, against float64 oracles."""

import numpy as np
import pytest
from scipy import ndimage

from gan_xla.errors import UserError
from gan_xla.evaluation.metrics import diversity, segmentation, sharpness, similarity


@pytest.fixture
def draws():
    return np.random.default_rng(0)


def pictures(draws, n, size, channels=3):
    """Smooth random images of some contrast."""
    height, width = size
    noise = ndimage.gaussian_filter(draws.normal(size=(n, height, width, channels)), (0, 2, 2, 0))
    return np.clip(128 + 400 * noise, 0, 255).astype(np.uint8)


def noisy(images, draws, amount):
    return np.clip(images + draws.normal(0, amount, images.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", ["l1", "mse", "l2", "psnr", "ssim", "ms_ssim"])
def test_measures_of_images_refuse_what_they_cannot_compare(draws, name):
    measure, x = getattr(similarity, name), pictures(draws, 2, (16, 16))
    with pytest.raises(ValueError, match="one size"):
        measure(x, x[:, :15])
    with pytest.raises(ValueError, match="uint8"):
        measure(x.astype(np.float32), x)
    with pytest.raises(ValueError, match="uint8"):
        measure(x[0], x[0])
    np.testing.assert_allclose(measure(*(x.astype(np.float32) for _ in "ab")), measure(x, x))


# Similarity of images


def test_pixel_errors_equal_their_definitions(draws):
    x, y = draws.integers(0, 256, (2, 70, 5, 6, 3), dtype=np.uint8)
    difference = x.astype(float) - y
    mse = np.mean(difference**2, axis=(1, 2, 3))
    np.testing.assert_allclose(similarity.l1(x, y), np.mean(np.abs(difference), axis=(1, 2, 3)))
    np.testing.assert_allclose(similarity.mse(x, y), mse)
    np.testing.assert_allclose(similarity.l2(x, y), np.sqrt(mse))
    np.testing.assert_allclose(similarity.psnr(x, y), 20 * np.log10(255 / np.sqrt(mse)))
    black = np.zeros_like(x)
    assert similarity.l1(black, black + 255).tolist() == similarity.l2(black, black + 255).tolist() == [255] * 70
    np.testing.assert_allclose(similarity.psnr(black, black + 255), 0, atol=1e-12)


def brute_ssim(x, y):
    """SSIM and its second factor at every place of the window, of single channels [h, w]."""
    axis = np.arange(-5, 6)
    window = np.exp(-(axis[:, None] ** 2 + axis**2) / (2 * 1.5**2))
    window /= window.sum()
    found = []
    for i in range(x.shape[0] - 10):
        for j in range(x.shape[1] - 10):
            a, b = x[i : i + 11, j : j + 11].astype(float), y[i : i + 11, j : j + 11].astype(float)
            m, n = np.sum(window * a), np.sum(window * b)
            covariance = np.sum(window * (a - m) * (b - n))
            variances = np.sum(window * ((a - m) ** 2 + (b - n) ** 2))
            structure = (2 * covariance + 58.5225) / (variances + 58.5225)
            found.append(((2 * m * n + 6.5025) / (m**2 + n**2 + 6.5025) * structure, structure))
    return np.mean(found, axis=0)


def test_ssim_equals_its_definition_at_every_place_of_the_window(draws):
    x = pictures(draws, 2, (15, 13))
    y = noisy(x, draws, 20)
    expected = [np.mean([brute_ssim(a[..., c], b[..., c])[0] for c in range(3)]) for a, b in zip(x, y)]
    np.testing.assert_allclose(similarity.ssim(x, y), expected, rtol=1e-10)
    np.testing.assert_allclose(similarity.ms_ssim(x, y), expected, rtol=1e-10)  # of one scale


def test_ms_ssim_of_two_scales_equals_its_definition(draws):
    x = pictures(draws, 1, (24, 28), 1)
    y = noisy(x, draws, 20)
    fine = brute_ssim(x[0, ..., 0], y[0, ..., 0])[1]
    halves = (z[0, ..., 0].reshape(12, 2, 14, 2).mean(axis=(1, 3)) for z in (x, y))
    expected = fine ** (0.0448 / 0.3304) * brute_ssim(*halves)[0] ** (0.2856 / 0.3304)
    assert similarity.ms_ssim(x, y)[0] == pytest.approx(expected, rel=1e-10)


def test_similarity_of_equal_images_is_whole_and_falls_with_noise(draws):
    x = pictures(draws, 3, (43, 47))
    np.testing.assert_allclose(similarity.ssim(x, x), 1)
    np.testing.assert_allclose(similarity.ms_ssim(x, x), 1)
    assert not similarity.l1(x, x).any() and np.isinf(similarity.psnr(x, x)).all()
    worse = [noisy(x, draws, amount) for amount in (5, 20, 60)]
    for measure in (similarity.ssim, similarity.ms_ssim, similarity.psnr):
        values = [measure(x, y).mean() for y in worse]
        assert values == sorted(values, reverse=True)


def test_scales_leave_room_for_the_window_at_the_coarsest():
    found = {side: similarity.scales((side, 512)) for side in (11, 20, 21, 40, 41, 64, 80, 81, 128, 160, 161, 1024)}
    assert list(found.values()) == [1, 1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5]
    for side, count in found.items():
        sides = [-(-side // 2**scale) for scale in range(count + 1)]
        assert sides[count - 1] >= 11 and (count == 5 or sides[count] < 11)


def test_negatives_have_no_real_power_and_count_as_wholly_different(draws):
    x = pictures(draws, 2, (22, 22))
    assert (similarity.ssim(x, 255 - x) < 0).all()
    assert similarity.ms_ssim(x, 255 - x).tolist() == [0, 0]


def test_ssim_tells_the_user_of_images_too_small_for_its_window(draws):
    x = pictures(draws, 2, (10, 30))
    for measure in (similarity.ssim, similarity.ms_ssim):
        with pytest.raises(UserError, match="10x30 pixels are too small"):
            measure(x, x)


def test_diversity_never_pairs_an_image_with_itself_and_rises_as_samples_collapse(draws):
    varied = pictures(draws, 12, (22, 22))
    one = noisy(varied[:1].repeat(12, axis=0), draws, 4)
    value = similarity.diversity(varied, 40)
    assert value < 0.5 and value == similarity.diversity(varied, 40) != similarity.diversity(varied, 40, seed=1)
    assert 0.9 < similarity.diversity(one, 40) < 1
    apart = similarity.ms_ssim(varied[:1], varied[1:2])[0]
    assert similarity.diversity(varied[:2], 9) == pytest.approx(apart)
    with pytest.raises(UserError, match="2 or more"):
        similarity.diversity(varied[:1], 9)
    with pytest.raises(ValueError, match="pairs=0"):
        similarity.diversity(varied, 0)


# Sharpness


def waves(frequency, size=64):
    """A grating of so many cycles per pixel along the diagonal's direction."""
    phase = 2 * np.pi * frequency * (np.arange(size)[:, None] + np.arange(size)) / 2**0.5
    return np.round(128 + 100 * np.cos(phase)).astype(np.uint8)[None, ..., None]


def test_sharpness_is_the_share_above_half_of_nyquists_frequency_in_any_direction():
    assert sharpness.sharpness(waves(0.2))[0] < 0.01
    assert sharpness.sharpness(waves(0.3))[0] > 0.99
    assert sharpness.sharpness(waves(0.2).repeat(3, axis=-1)) == pytest.approx(sharpness.sharpness(waves(0.2)))


def test_sharpness_of_white_noise_is_the_area_outside_the_circle(draws):
    noise = draws.integers(0, 256, (20, 48, 64, 1), dtype=np.uint8)
    assert sharpness.sharpness(noise).mean() == pytest.approx(1 - np.pi / 16, abs=0.01)


def test_sharpness_ignores_contrast_and_the_step_between_opposite_edges(draws):
    x = pictures(draws, 3, (32, 32), 1) // 4
    np.testing.assert_allclose(sharpness.sharpness(4 * x), sharpness.sharpness(x), rtol=1e-9)
    ramp = np.broadcast_to(4 * np.arange(64, dtype=np.uint8)[:, None], (*(1, 64, 64, 1)[:2], 64, 1)).copy()
    assert sharpness.sharpness(ramp)[0] < 1e-3
    assert sharpness.sharpness(np.full((2, 16, 16, 3), 200, np.uint8)).tolist() == [0, 0]


def test_blur_lowers_relative_sharpness_and_noise_raises_it(draws):
    x = noisy(pictures(draws, 4, (32, 32)), draws, 4)
    blurred = ndimage.gaussian_filter(x, (0, 1, 1, 0))
    assert sharpness.relative(x, x[::-1]) == pytest.approx(1)
    assert sharpness.relative(blurred, x) < 0.5 and sharpness.relative(noisy(x, draws, 20), x) > 2


def test_sharpness_refuses_alpha_other_sizes_and_flat_references(draws):
    x = pictures(draws, 1, (12, 12), 4)
    with pytest.raises(ValueError, match="alpha"):
        sharpness.sharpness(x)
    with pytest.raises(ValueError, match="size"):
        sharpness.relative(x[..., :3], x[:, :10, :, :3])
    with pytest.raises(ValueError, match="flat"):
        sharpness.relative(x[..., :3], np.zeros_like(x[..., :3]))


# Label maps


def test_segmentation_scores_of_a_small_case_by_hand():
    truth = np.array([[[0, 0, 0, 1], [1, 1, 9, 9]]])
    predicted = np.array([[[0, 0, 1, 1], [1, 2, 0, 1]]])
    counts = segmentation.confusion(truth, predicted, 4, ignore=9)
    assert counts.tolist() == [[2, 1, 0, 0], [0, 2, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    found = segmentation.scores(counts)
    assert found.pixel_accuracy == pytest.approx(4 / 6)
    np.testing.assert_allclose(found.accuracies, [2 / 3, 2 / 3, np.nan, np.nan])
    np.testing.assert_allclose(found.ious, [2 / 3, 2 / 4, 0, np.nan])
    assert found.class_accuracy == pytest.approx(2 / 3) and found.mean_iou == pytest.approx((2 / 3 + 2 / 4 + 0) / 3)


def test_equal_label_maps_score_one_and_batches_add_up(draws):
    truth, predicted = draws.integers(0, 5, (2, 4, 6, 7))
    perfect = segmentation.scores(segmentation.confusion(truth, truth, 5))
    assert perfect[:3] == (1, 1, 1)
    halves = (segmentation.confusion(truth[part], predicted[part], 5) for part in (slice(1), slice(1, 4)))
    np.testing.assert_array_equal(sum(halves), segmentation.confusion(truth, predicted, 5))


def test_label_maps_that_do_not_fit_are_refused():
    labels = np.array([[0, 3]])
    with pytest.raises(ValueError, match="truth has labels from 0 to 3"):
        segmentation.confusion(labels, labels, 3)
    with pytest.raises(ValueError, match="predicted has labels from -1"):
        segmentation.confusion(labels, labels - 1, 4)
    with pytest.raises(ValueError, match="one shape"):
        segmentation.confusion(labels, labels[0], 4)
    with pytest.raises(ValueError, match="integer"):
        segmentation.confusion(labels, labels / 2, 4)
    with pytest.raises(ValueError, match="counts some pixels"):
        segmentation.scores(np.zeros((3, 3), int))


def test_labels_are_those_of_the_nearest_palette_colours(draws):
    palette = np.array([[0, 0, 0], [255, 0, 0], [128, 64, 128], [255, 255, 255]], np.uint8)
    labels = draws.integers(0, 4, (3, 5, 6))
    disturbed = np.clip(palette[labels] + draws.integers(-40, 41, (3, 5, 6, 3)), 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(segmentation.labels_of(disturbed, palette), labels)
    x = draws.integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    nearest = np.linalg.norm(x[..., None, :].astype(float) - palette, axis=-1).argmin(axis=-1)
    np.testing.assert_array_equal(segmentation.labels_of(x, palette), nearest)
    with pytest.raises(ValueError, match="palette"):
        segmentation.labels_of(x, palette[:, :2])


# One-to-many outputs


def test_spread_is_the_mean_distance_of_all_pairs_of_one_inputs_outputs():
    outputs = np.array([[[0, 0], [3, 4], [0, 0]], [[1, 1], [1, 1], [1, 1]]])
    np.testing.assert_allclose(diversity.spread(outputs), [10 / 3, 0])


def test_spread_takes_any_distance_of_images(draws):
    x = draws.integers(0, 256, (2, 3, 8, 8, 3), dtype=np.uint8)
    expected = np.mean([similarity.l1(x[:, i], x[:, j]) for i, j in ((0, 1), (0, 2), (1, 2))], axis=0)
    np.testing.assert_allclose(diversity.spread(x, similarity.l1), expected)
    flat = x.reshape(2, 3, -1)
    np.testing.assert_allclose(diversity.spread(x), diversity.spread(flat))


def test_spread_needs_two_outputs_of_each_input():
    with pytest.raises(UserError, match="2 or more"):
        diversity.spread(np.zeros((4, 1, 3)))
    with pytest.raises(ValueError, match=r"\[n, k"):
        diversity.spread(np.zeros((4, 3)))
