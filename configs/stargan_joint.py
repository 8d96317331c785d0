"""StarGAN trained jointly on two data sets of different labels (Choi et al. 2018, section 3.3).

  python -m gan_xla.main --config=configs/stargan_joint.py --config.data.path=celeba/images \
    --config.data.attributes=celeba/list_attr_celeba.txt --config.data.joint.second.path=rafd
  python -m gan_xla.main --config=configs/stargan_joint.py:quick   built-in images, minutes on 2 CPU cores

As stargan.py, and a label vector holds the labels of both data sets and a mask that says which are known. Batches
of single data sets alternate, so every turn is played twice. The fields of `data.joint.second` replace those
of `data`; the paper's second data set is RaFD in class folders (rafd/train/<expression>/). Any name and
any number of data sets will do, in a config file of your own.

:quick: the built-in chairs and cars, of which the first data set knows the category and the second whether
they face the viewer, at 32x32, the rest as stargan.py:quick, 20,000 updates of D.
"""

import ml_collections
from gan_xla.configs import base, stargan


def get_config(variant: str = "") -> ml_collections.ConfigDict:
    """`variant`: as of configs/stargan.py."""
    config = stargan.get_config(variant)
    second = dict(source="folder", name="", path="", attributes="", labels=("all",), exclusive=(), fit="crop")
    with config.unlocked():
        config.data.joint.second = second
    config.train.update(turns=("d",) * 8 + ("dg",) * 2, steps=400_000)
    faces = dict(data=dict(joint=dict(second=dict(source="builtin", name="chairs2cars", labels=("front", "back")))))
    return base.variant(
        config,
        variant,
        quick=dict(train=dict(turns=("d", "d", "dg", "dg"), steps=20_000), **faces),
        tiny=dict(train=dict(turns=("dg",)), **faces),
    )
