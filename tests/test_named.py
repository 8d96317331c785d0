"""Networks that are known by their names, of PGGAN and later methods; mutants of them, what ours cannot be."""

import contextlib

import jax
import numpy as np
import pytest
from test_structure import MUTATIONS, _extra, _missing, _narrower, _plain, _safetensors
from zoo_named import (
    LATENT,
    NAMED,
    autoencoder,
    gan_zoo,
    pro_gan,
    scaled_judge,
    star_encoder,
    star_generator,
    star_mapping,
    stars,
    ugatit,
    ugatit_judge,
)

from gan_xla import gans
from gan_xla.errors import UserError
from gan_xla.published import auto, clovaai, layout
from gan_xla.published.importing import _configured, import_run
from gan_xla.run import settings

NETS = {"pggan": {"progressive"}, "ugatit": {"ugatit"}, "munit": {"munit", "multiscale"}, "starganv2": {"starganv2"}}


def _labels(method):
    return "cat,dog" if method == "starganv2" else None


def _file(path, states):
    return _safetensors(path, {f"{name}.{key}": x for name, state in states.items() for key, x in state.items()})


@pytest.mark.parametrize("name", NAMED)
def test_networks_known_by_their_names_are_told_apart(name, tmp_path):
    states, networks, method = NAMED[name]
    found = auto.read([_file(tmp_path / "weights.safetensors", states)], {})
    plan, form = auto.plan(found, None, _labels(method))
    assert plan.config == method and plan.networks.keys() == networks and form in auto.NAMED
    nets_of = {file.network.fields["net"] for name, file in plan.networks.items() if name[0] in "GD"}
    assert nets_of <= NETS["munit" if method == "unit" else method]


def _mutant(mutate, state, seed):
    """A network without convolutions is itself where these alone are changed."""
    changes = mutate in (_missing, _extra, _narrower) or any(x.ndim == 4 for x in state.values())
    return mutate(state, np.random.default_rng(seed)) if changes else state


@pytest.mark.slow
@pytest.mark.parametrize("mutate", MUTATIONS)
def test_a_mutant_of_them_is_one_clear_line(mutate, tmp_path):
    for number, (name, (states, _, method)) in enumerate(NAMED.items()):
        if "DataParallel" in name:  # what stands beside "module" is another part of the file
            continue
        mutants = {key: _mutant(mutate, _plain(state), number) for key, state in states.items()}
        path = _file(tmp_path / "weights.safetensors", mutants)
        with pytest.raises(UserError) as error:
            import_run("auto", [path], tmp_path / "run", direction=None, labels=_labels(method))
            pytest.fail(name)
        message = str(error.value)
        assert str(path) in message and "\n" not in message and len(message) < 300 + len(str(path))
        assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MUNIT", "MUNIT, averages", "UNIT", "StarGAN v2"])
def test_none_of_their_networks_takes_a_mutant(name, tmp_path):
    states, _, method = NAMED[name]
    plan, form = auto.plan(auto.read([_file(tmp_path / "weights.safetensors", states)], {}), None, _labels(method))
    config = _configured(settings.load(plan.config), plan)
    sides = zip("GD", ("generator", "discriminator"), jax.eval_shape(gans.build(config).init, jax.random.key(0)))
    for letter, role, side in sides:
        for own, like in layout.split(side, layout.single(side, letter)).items():
            if own not in plan.networks:
                continue
            file = plan.networks[own]
            state = _plain(states[file.path.name.rpartition("(")[2].removesuffix(")")])
            for number, mutate in enumerate(MUTATIONS):
                mutant = _mutant(mutate, state, number)
                with pytest.raises(UserError) if mutant is not state else contextlib.nullcontext():
                    form.read(form.file(mutant, file.path), like, config.model[role], config.data.image_size)


WRONG = {
    "labels": (
        {"G": gan_zoo("generator"), "D": gan_zoo("discriminator", labels=2)},
        "judges 2 label planes; name them",
    ),
    "no deviations": ({"D": gan_zoo("discriminator", deviations=False)}, "without the standard deviation of a batch"),
    "channels": ({"G": pro_gan("generator", (16, 8, 8))}, "16, 8, 8 channels from 4 to 16 pixels: ours have fmap_max"),
    "half a judge": ({"genA2B": ugatit(), "disGB": ugatit_judge()}, "disLB is not there, the other judge of domain B"),
    "unnamed": ({"genA2B": ugatit(), "critic": ugatit_judge()}, "its name does not tell which judge it is"),
    "two": (
        {"netG": gan_zoo("generator"), "other": gan_zoo("generator")},
        "2 networks where PGGAN has a generator and",
    ),
    "mixed": ({"netG": gan_zoo("generator"), "genA2B": ugatit()}, "are of methods that do not go together"),
    "another's": (
        {"G": {"progression.0.conv.0.conv.weight": np.ones((8, 8, 3, 3)), "to_rgb.0.bias": np.ones(3)}},
        "a growing network that normalises before its rectifiers",
    ),
    "half a run": ({"gen_a": autoencoder()}, "no autoencoder of domain B among the networks, and a translation needs"),
    "no domain": ({"gen": autoencoder()}, "its name does not tell its domain; name it like gen_a"),
    "two domains of one name": (
        {"gen_a": autoencoder(), "old_a": autoencoder()},
        "are both of domain A by their names",
    ),
    "a judge alone": ({"dis_a": scaled_judge()}, "no autoencoder of domain A"),
    "unnamed domains": (stars(), "2 domains; name them in the order of the training, --labels=NAME,NAME"),
    "no styles": ({"generator": star_generator()}, "a generator without mapping_network and style_encoder"),
    "CelebA-HQ": (
        {"generator": star_generator((1024, 1024)), "style_encoder": star_encoder((1024, 1024, 1024))},
        "1 levels of 16 pixels: the form for CelebA-HQ, whose filter",
    ),
    "other domains": (stars() | {"mapping_network": star_mapping(3)}, "domains=2, unlike .*: 3"),
    "other widths": (stars() | {"style_encoder": star_encoder((16, 32, 32))}, "most=24, unlike .*: 32"),
    "a projection": (
        {"D": pro_gan("discriminator") | {"layers.2.label_embedder.weight": np.ones((4, 16))}},
        "a discriminator by projection of labels, which ours has not",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_ours_cannot_be_says_why(case, tmp_path):
    states, message = WRONG[case]
    with pytest.raises(UserError, match=message):
        auto.plan(auto.read([_file(tmp_path / "weights.safetensors", states)], {}), None, None)


def test_of_a_run_and_its_average_the_average_is_taken_and_the_discriminator(tmp_path):
    average = {name: state for name, state in stars().items() if name != "discriminator"}
    paths = [_file(tmp_path / "100000_nets.safetensors", stars())]
    paths.append(_file(tmp_path / "100000_nets_ema.safetensors", average))
    plan, _ = auto.plan(auto.read(paths, {}), None, "cat,dog")
    assert {name for name, file in plan.networks.items() if "_ema" in str(file.path)} == {"G", "F", "E"}
    assert plan.networks.keys() == set("GFED") and sum("its moving average is taken" in x for x in plan.notes) == 3
    with pytest.raises(UserError, match="are both a"):
        auto.plan(auto.read(paths[:1] * 2, {}), None, "cat,dog")


def test_a_generator_that_would_be_taken_for_another_form_is_not_exported():
    with pytest.raises(UserError, match="model.generator.levels=1 of 16 pixels: the published code has a level less"):
        clovaai.write(layout.Net({}, {}), "generator", {"width": 1024, "levels": 1}, 16)


def test_labels_of_a_growing_network_are_taken_off_its_noise(tmp_path):
    states = {"netG": gan_zoo("generator"), "netD": gan_zoo("discriminator", labels=2)}
    found = auto.read([_file(tmp_path / "weights.safetensors", states)], {})
    plan, _ = auto.plan(found, None, "round,red")
    assert plan.updates["model.latent"] == LATENT - 2 and plan.updates["data.labels"] == ("round", "red")
    states |= {"netD": gan_zoo("discriminator")}
    found = auto.read([_file(tmp_path / "plain.safetensors", states)], {})
    with pytest.raises(UserError, match="--labels=round,red: these networks take none; leave it out"):
        auto.plan(found, None, "round,red")
