"""CUT as published: ResNet of 9 blocks, 70x70 patches, LSGAN, PatchNCE on five layers, 400 epochs of batch 1."""

from gan_xla.configs import base


def get_config(variant=""):
    loss = dict(adversarial="lsgan", disc_weight=0.5)
    loss |= dict(lambda_nce=1.0, lambda_identity=1.0, tau=0.07, places=256, layers=(0, 1, 2, 3, 7))
    config = base.get_config("cut", "resnet", "patchgan", loss=loss, model=dict(head=256))
    config.optimizer.schedule = "linear"
    config.data.update(source="folder", image_size=256, load_size=286, flip=True)
    config.train.update(turns=("dg",), epochs=400, batch_size=1)
    small = dict(head=8, generator=dict(width=4, blocks=1), discriminator=dict(width=4, layers=1))
    return base.variant(config, variant, tiny=dict(model=small, loss=dict(places=16, layers=(0, 1, 2, 3))))
