"""Networks that are known by their names: PGGAN's and U-GAT-IT's, mutants of them, what ours cannot be."""

import numpy as np
import pytest
from test_structure import MUTATIONS, _plain, _safetensors
from zoo_named import LATENT, NAMED, gan_zoo, pro_gan, ugatit, ugatit_judge

from gan_xla.errors import UserError
from gan_xla.published import auto
from gan_xla.published.importing import import_run


def _file(path, states):
    return _safetensors(path, {f"{name}.{key}": x for name, state in states.items() for key, x in state.items()})


@pytest.mark.parametrize("name", NAMED)
def test_networks_known_by_their_names_are_told_apart(name, tmp_path):
    states, networks, method = NAMED[name]
    found = auto.read([_file(tmp_path / "weights.safetensors", states)], {})
    plan, form = auto.plan(found, None, None)
    assert plan.config == method and plan.networks.keys() == networks and form in auto.NAMED
    nets_of = {file.network.fields["net"] for file in plan.networks.values()}
    assert nets_of == {"progressive" if method == "pggan" else "ugatit"}


@pytest.mark.slow
@pytest.mark.parametrize("mutate", MUTATIONS)
def test_a_mutant_of_them_is_one_clear_line(mutate, tmp_path):
    for number, (name, (states, _, _)) in enumerate(NAMED.items()):
        if "DataParallel" in name:  # what stands beside "module" is another part of the file
            continue
        mutants = {key: mutate(_plain(state), np.random.default_rng(number)) for key, state in states.items()}
        path = _file(tmp_path / "weights.safetensors", mutants)
        with pytest.raises(UserError) as error:
            import_run("auto", [path], tmp_path / "run", direction=None, labels=None)
            pytest.fail(name)
        message = str(error.value)
        assert str(path) in message and "\n" not in message and len(message) < 300 + len(str(path))
        assert not (tmp_path / "run").exists()


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


def test_labels_of_a_growing_network_are_taken_off_its_noise(tmp_path):
    states = {"netG": gan_zoo("generator"), "netD": gan_zoo("discriminator", labels=2)}
    found = auto.read([_file(tmp_path / "weights.safetensors", states)], {})
    plan, _ = auto.plan(found, None, "round,red")
    assert plan.updates["model.latent"] == LATENT - 2 and plan.updates["data.labels"] == ("round", "red")
    states |= {"netD": gan_zoo("discriminator")}
    found = auto.read([_file(tmp_path / "plain.safetensors", states)], {})
    with pytest.raises(UserError, match="--labels=round,red: these networks take none; leave it out"):
        auto.plan(found, None, "round,red")
