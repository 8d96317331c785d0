"""Every field of every config, once: what it means, its unit, its choices, and its value unless a recipe says another.

A recipe is `get_config(gan, generator, discriminator)` and what differs. A field is everybody's, unless `Of` says whose
it is. A type in place of a value is a field that is not set (None) and takes that type. A new option is one line here;
what only a newcomer's recipe has, that recipe can bring along itself.
"""

from typing import Any, NamedTuple

import ml_collections
from ml_collections import config_dict


class Of(dict):
    """The values of a field that only some have, by name: `Of("gan cgan", 1.0)`, `Of("mlp_points", 3, resnet=6)`.

    The names are methods, in `GENERATOR` and `DISCRIMINATOR` networks.
    """

    def __init__(self, names: str, value: Any, **others: Any):
        super().__init__(dict.fromkeys(names.split(), value), **others)


class Open(NamedTuple):
    """The value of a field that takes values of several types."""

    value: Any


UNPAIRED = "discogan cyclegan simgan bigan cut dclgan ugatit unit munit"  # methods of two domains that do without pairs
TRANSLATE = f"{UNPAIRED} pix2pix stargan starganv2"
PAIRED = f"{UNPAIRED} pix2pix cogan"  # methods of two domains, which may differ

DATA = dict(
    source="builtin",  # builtin (images of the package), folder (your own), tfds (TensorFlow Datasets)
    # builtin: two of chairs, cars and faces, as in chairs2faces, edges2objects (pairs), gmm (points). tfds: its name.
    name="chairs2cars",
    azimuths=(),  # builtin: (least, greatest) of the views, degrees from facing the viewer, -180 to 180; () for all
    spread=Of("discogan", 0.1),  # builtin gmm: standard deviation of each mode, whose neighbours are 1.2 away or more
    path="",  # folder: directory in one of the layouts of gan_xla.data.folder. tfds: its data_dir, "" for the usual one
    # folder: directory of domain A, with path_b in place of path; of several, ("t1", "t2"), images of one name are the
    # channels of one.
    path_a=Open(""),
    path_b=Open(""),  # folder: that of domain B
    domain_a="",  # folder: class directory that is domain A. tfds: attributes that select it, "Male=1,Eyeglasses=0"
    domain_b="",  # domain B, likewise
    # folder: table of attributes, a CSV or CelebA's list_attr_celeba.txt
    attributes=Of("gan cgan icgan pggan stargan starganv2", ""),
    labels=(),  # names of the classes or attributes to learn; ("all",) for all classes; () for none
    exclusive=Of("icgan stargan starganv2", ()),  # groups of labels of which an image has one at most; () for none
    references=Of("starganv2", True),  # two images of the label to translate to with each row, whose styles to take
    joint=Of("stargan", {}),  # further data sets by a name of one's own: the fields that replace those of this section
    unlabelled=Of("gan pggan", True, cgan=False),  # all images are one domain without labels
    paired=False,  # whether the images of A and B belong together in pairs
    # Share of the rows of a batch that show pairs, of data that mostly are none: images that have a partner of equal
    # name; 0: no row does on purpose. See loss.paired_weight.
    paired_share=Of(UNPAIRED, 0.0),
    pairs="",  # folder: a CSV of pairs, first line A,B or A,B,split; paths begin at data.path, or at its directory
    suffixes=(),  # folder: ends of the names of A and of B that lie in one directory: ("_photo", "_map")
    image_size=Open(64),  # pixels of what the networks see: height and width, or (height, width); 0 for points
    # 1 (grey), 3 (RGB), 4 (RGB and alpha); of files that are no pictures as many as they have; 2 for points.
    channels=3,
    channels_a=Of(PAIRED, int),  # those of domain A; None: `channels`
    channels_b=Of(PAIRED, int),  # those of domain B; None: `channels`
    # folder: images, or labels: greyscale or palette images whose numbers are classes, a channel each in the networks.
    kind_a=Of(PAIRED, "images"),
    kind_b=Of(PAIRED, "images"),
    # labels: the colour of each class, ((red, green, blue), ...); (): the files' palette, or our own.
    palette_a=Of(PAIRED, ()),
    palette_b=Of(PAIRED, ()),
    # folder: type of the images' values: uint8, uint16, int16, float32. "": that of the first file; of a run that began
    # when there were bytes alone, uint8, to which PNG files of 16 bits are scaled.
    dtype="",
    dtype_a=Of(PAIRED, ""),  # that of domain A; "": `dtype`
    dtype_b=Of(PAIRED, ""),  # that of domain B; "": `dtype`
    # folder: (low, high), the values that become the ends of the networks' range; (): 0 and 255 of uint8, else the
    # lowest and the highest of the training images.
    range=(),
    range_a=Of(PAIRED, ()),  # those of domain A; (): `range`
    range_b=Of(PAIRED, ()),  # those of domain B; (): `range`
    # Pixels to read images at, from which random crops of image_size are taken: the longer side, or (height, width);
    # 0 for image_size.
    load_size=Open(0),
    # How images come to that size: stretch, crop (the middle), pad (with background), native (random crops at the
    # images' own scale, whatever their sizes; load_size is not used).
    fit="stretch",
    flip=False,  # mirror half of the training images
    flip_vertical=False,  # turn half of the training images upside down
    turn=False,  # turn training images by a random number of quarter turns; squares alone
    rotate=0.0,  # degrees; turn training images by up to as many, either way
    scale=0.0,  # share; enlarge or shrink training images by a factor of up to 1 + scale
    color=0.0,  # share; change brightness, contrast and saturation of training images by up to as much
    # Show every label equally often, however many images have it.
    balance=Of("gan cgan icgan pggan stargan", False, starganv2=True),
    max_pixels=178_956_970,  # of an image; larger ones are not decoded, lest they fill the memory
    background=(255, 255, 255),  # behind transparent pixels and in padding: red, green, blue from 0 to 255
    # Share of the training images that are held out for evaluators of the split val, where the data have no split or
    # directory val; 0: these see the test images. None: 0.05 where there are any, else 0; a run keeps its own.
    validation=float,
    max_unreadable=10,  # images that may be skipped because they cannot be read
    on_device=False,  # keep all training images on each device
)

GENERATOR = dict(
    # Channels of the first level (dcgan, cogan: of the last one).
    width=Of("dcgan encoder_decoder munit resnet stargan starganv2 ugatit unet_discogan unet_pix2pix", 64, cogan=128),
    most=Of("starganv2", 512),  # channels at most; they double with every level
    blocks=Of("resnet", 9, stargan=6, **Of("munit ugatit", 4)),  # residual blocks; munit, ugatit: of either kind
    levels=Of("unet_pix2pix", int, starganv2=4),  # halvings; None: down to one pixel
    layers=Of("mlp_points", 3, munit=2),  # linear layers; munit: strided convolutions to the content
    # Units of the hidden layers: of all (mlp_points), or of each (mlp_images).
    hidden=Of("mlp_points", 128, mlp_images=(128, 256, 512, 1024), munit=256),
    style=Of("munit", 8, starganv2=64),  # numbers of a style's code; 0: no styles
    style_layers=Of("munit", 4),  # strided convolutions to the style
    embedding=Of("mlp_images", 0),  # features of a learned embedding of the label; 0: the label vector itself
    bottleneck=Of("encoder_decoder", 0),  # channels of the vector in the middle: the 5-layer form; 0: none, 4 layers
    fmap_base=Of("progressive", 8192),  # channels at 2x2 pixels, half of them at each doubling; ...
    fmap_max=Of("progressive", 512),  # ... but never more than this
    first_norm=Of("progressive", True),  # normalise what the first layer makes, as that of all others
    first_biases=Of("progressive", "shared"),  # of the first layer, by all 4x4 pixels; or pixels: each has its own
    # Share of the values set to 0, of the layers that have dropout.
    dropout=Of("unet_discogan unet_pix2pix", 0.5, resnet=0.0),
    norm=Of("resnet unet_discogan", "instance", unet_pix2pix="batch"),  # batch, instance, instance_affine, none
    padding=Of("resnet", "reflect"),  # or zeros, around convolutions of stride 1
    slope=Of("encoder_decoder unet_pix2pix", 0.2),  # of LeakyReLU
    # transpose: as published. resize: nearest neighbours and a convolution, against checkerboards. blur: bilinear, and
    # a convolution.
    upsample=Of("encoder_decoder resnet stargan unet_pix2pix", "transpose"),
    antialias=Of("resnet", False),  # blur before every second pixel is taken, in place of strided convolutions
    # Weights to begin with: normal, N(0, 0.02); xavier, by fans, times 0.02; he, by fan in.
    initial=Of("resnet", "normal"),
    light=Of("ugatit", False),  # make gamma and beta of the maps' means, not of all their pixels
    # Variances of AdaLIN divide by n - 1, as in the authors' PyTorch code, whose networks exports then are; else by n.
    # munit: its layer norm divides by the deviation, of n - 1, plus 1e-5, as in the authors' code.
    unbiased=Of("munit ugatit", False),
    skips=Of("unet_pix2pix", True),  # False severs them: an encoder-decoder
    # Range of the images: tanh (-1 to 1), sigmoid (0 to 1), linear (any; for points).
    output=Of(
        "cogan dcgan encoder_decoder mlp_images munit resnet stargan ugatit unet_discogan unet_pix2pix",
        "tanh",
        **Of("mlp_points starganv2", "linear"),
    ),
)

DISCRIMINATOR = dict(
    # Channels of the first layer.
    width=Of("cogan dcgan encoder_decoder multiscale patch_discogan patchgan stargan starganv2 ugatit", 64),
    most=Of("starganv2", 512),  # as the generator's
    # Strided convolutions; mlp: linear layers. patchgan: 0 judges pixels, 1 16x16 patches, 3 70x70, 5 286x286.
    layers=Of("patchgan", 3, stargan=6, mlp_points=5, ugatit=5, multiscale=4),
    scales=Of("multiscale", 3),  # of the image, each half of the one before
    local=Of("ugatit", 3),  # strided convolutions of the judge of small patches; `layers`: of that of large ones
    joined=Of("dcgan", 0),  # strided convolutions before the labels join, as planes beside the pixels
    hidden=Of("mlp_points", 128, mlp_images=(512, 256)),  # as the generator's
    embedding=Of("mlp_images", 0),  # as the generator's
    fmap_base=Of("progressive", 8192),  # as the generator's
    fmap_max=Of("progressive", 512),  # as the generator's
    group=Of("progressive", 4),  # samples whose standard deviation is a feature map
    # As the generator's; penalties take no batch norm.
    norm=Of("patch_discogan patchgan", "instance", dcgan="batch", encoder_decoder="batch"),
    slope=Of("encoder_decoder multiscale patchgan", 0.2),  # of LeakyReLU
    spectral_norm=Of(
        "dcgan encoder_decoder patch_discogan patchgan", False
    ),  # divide kernels by their largest singular values
    antialias=Of("patchgan", False),  # as the generator's
    initial=Of("patchgan", "normal"),  # as the generator's
    judges=Of("patchgan", "patches"),  # patches (a logit each), mean (of these), image (one logit of the whole map)
)

MODEL = dict(
    latent=Of("gan cgan cogan icgan", 100, pggan=512, starganv2=16),  # dimensions of the noise
    mapping=Of("starganv2", 512),  # units of the layers of F, which makes styles of noise
    search_starts=Of("cogan", 4),  # noises from which the one that draws an image is searched for; the best is taken
    search_steps=Of("cogan", 200),  # of Adam from each of them
    search_rate=Of("cogan", 0.1),  # of these steps
    encoder=Of("icgan", dict(width=32)),  # channels of the first layer of the encoders
    direction=Of("pix2pix simgan cut", "AtoB"),  # AtoB or BtoA
    projection=Of("cut dclgan", 256),  # features that each perceptron F makes of an activation of the generator's
)

LOSS = dict(
    objective=Of("discogan", "discogan"),  # discogan; the baselines gan, gan_recon (one-way reconstruction)
    # log (non-saturating), minimax (saturating), lsgan, hinge, wgan (with penalty, lambda_gp or optimizer.disc.clip).
    adversarial=Of(
        "discogan gan cgan cogan icgan pix2pix",
        "log",
        stargan="wgan",
        dclgan="hinge",
        **Of("cyclegan simgan bigan cut", "lsgan"),
    ),
    conditional=Of("pix2pix", True),  # whether D sees the source beside the result
    gan_weight=Of("discogan cyclegan pix2pix ugatit unit munit", 1.0),  # of G's adversarial loss; 0 leaves it out
    # of D's loss of each domain
    disc_weight=Of("cyclegan pix2pix simgan bigan cut dclgan", 0.5, **Of("discogan ugatit unit munit", 1.0)),
    # Random changes of what D sees, lest it know few images by heart: some of color, shift, cutout; () for none.
    augment=Of(f"{TRANSLATE} gan cgan pggan cogan icgan", ()),
    # On D's gradient: none; wgan-gp, wgan-gp-one-sided, zero-gp (between real and fake); r1 (real), r2 (fake).
    penalty=Of("discogan cyclegan pix2pix simgan bigan gan cgan icgan cut dclgan", "none"),
    penalty_weight=Of("discogan cyclegan pix2pix simgan bigan gan cgan icgan cut dclgan", 10.0),  # weight of that
    lambda_gp=Of("stargan pggan", 10.0),  # weight of the two-sided gradient penalty
    drift=Of("pggan", 1e-3),  # weight of D's squared scores of real images
    reconstruction=Of("discogan", "mse"),  # distance of the way there and back: mse, l1, huber, cosine, hinge
    reconstruction_weight=Of("discogan", 1.0),  # weight of that
    # ((step, r), ...), from step 0: the reconstruction counts r times, G's other losses 1 - r times; () for once each.
    reconstruction_rate=Of("discogan", ()),
    feature_weight=Of("discogan", 0.0),  # of the distance between D's mean activations of real and of made images
    feature_layers=Of("discogan", ()),  # numbers of these activations, from 0
    pixel_weight=Of("discogan", 0.0),  # of the L1 distance to the true image; for aligned pairs
    content_weight=Of("simgan", 10.0),  # of the L1 distance between a translation and its source; 0 leaves it out
    # Likeness, beside the method's own losses; each weight is of a distance between 0 and about 1, and 0 leaves it out.
    perceptual_weight=Of(TRANSLATE, 0.0),  # of the distance of EfficientNet-Lite0's activations (the extra eval)
    ms_ssim_weight=Of(TRANSLATE, 0.0),  # of 1 - MS-SSIM
    edge_weight=Of(TRANSLATE, 0.0),  # of the distance of edges (Sobel), whatever the channels
    # Of what to what: cycle, what went there and back to its source; source, a translation to its source; truth, a
    # translation to the true image, of aligned pairs.
    compare=Of(TRANSLATE, "source", **Of("discogan cyclegan stargan starganv2 ugatit unit", "cycle"), pix2pix="truth"),
    paired_weight=Of(UNPAIRED, 10.0),  # of the L1 distance to the true image, where data.paired_share shows pairs
    lambda_L1=Of("pix2pix", 100.0),  # weight of the L1 distance to the true image; 0 leaves it out
    lambda_A=Of("cyclegan", 10.0),  # weight of the cycle A to B to A; 0 leaves it out
    lambda_B=Of("cyclegan", 10.0),  # weight of the cycle B to A to B; 0 leaves it out
    lambda_cycle=Of("ugatit unit", 10.0, munit=0.0),  # weight of either cycle; unit, munit: 0 leaves it out
    lambda_x=Of("unit munit", 10.0),  # weight of the L1 distance of an image, encoded and decoded in its own domain
    lambda_c=Of("munit", 1.0),  # weight of the L1 distance of a translation's content to that which it is made of
    lambda_s=Of("munit", 1.0),  # weight of that of its style's code
    lambda_kl=Of("unit", 0.01),  # weight of the mean squares of what images are encoded to
    lambda_kl_cycle=Of("unit", 0.01),  # weight of those of translations'; 0 lambda_cycle leaves it out
    lambda_cam=Of("ugatit", 1000.0),  # weight of the losses of G's classifiers, whose weights are its attention
    lambda_r1=Of("starganv2", 1.0),  # weight of R1, the penalty on D's gradient at real images
    lambda_sty=Of("starganv2", 1.0),  # weight of the L1 distance of a style and of that read from the translation
    lambda_ds=Of("starganv2", 1.0),  # weight of the distance of translations in two styles; falls to 0 over train.steps
    lambda_cyc=Of("starganv2", 1.0),  # weight of the L1 distance of the way there and back
    lambda_cls=Of("stargan", 1.0),  # weight of the classification of labels
    lambda_rec=Of("stargan", 10.0),  # weight of the L1 reconstruction
    lambda_X=Of("cut", 1.0),  # weight of PatchNCE of translations; 0 leaves it out
    lambda_Y=Of("cut", 1.0),  # weight of PatchNCE of what G makes of B, which is to stay; 0 leaves it out
    lambda_nce=Of("dclgan", 2.0),  # weight of PatchNCE of each direction
    # Numbers of G's activations that PatchNCE compares, from 0; of resnet the image, 2 convolutions down, the blocks.
    nce_layers=Of("cut", (0, 1, 2, 3, 7), dclgan=(1, 2, 3, 7)),
    patches=Of("cut dclgan", 256),  # places of each activation that are told from each other
    temperature=Of("cut dclgan", 0.07),  # by which their likeness is divided
    flip_equivariance=Of("cut", False),  # G sees half of the images mirrored, and its features are mirrored back
    # Weight of the identity loss, which keeps colours, times lambda_A and lambda_B, or lambda_rec; 0 leaves it out.
    # ugatit: as it stands.
    lambda_identity=Of("cyclegan stargan", 0.0, dclgan=1.0, ugatit=10.0),
    label_weight=Of("pggan", 1.0),  # of AC-GAN's classification, where there are data.labels
)

OPTIMIZER = dict(
    name="adam",  # adam, sgd
    learning_rate=2e-4,  # step size of both players
    b1=0.5,  # adam: decay of the mean of the gradients
    b2=0.999,  # adam: decay of the mean of their squares
    weight_decay=0.0,  # times the parameters, added to the gradients before Adam
    grad_clip=0.0,  # largest norm of all gradients of a player together; 0 for any
    # constant; linear, cosine: constant until decay_start, then so to zero at train.steps; halving: half of it after
    # every decay_start of them.
    schedule="constant",
    decay_start=0.5,  # share of train.steps
    warmup=0,  # steps in which the rate rises from zero
    gen=dict(
        # G's own; None: the common ones
        learning_rate=float,
        weight_decay=float,
        schedule=str,
        decay_start=float,
        warmup=int,
        rates={},  # factors of the rate of single networks, by name, as {"F": 0.01}
        ema_decay=0.0,  # decay in a step of the moving average of G, which is used after training; 0 keeps none
        ema_warmup=0.0,  # share of the steps so far (of a phase) that the average spans at most; 0 for any
    ),
    disc=dict(
        # D's own; None: the common ones
        learning_rate=float,
        weight_decay=float,
        schedule=str,
        decay_start=float,
        warmup=int,
        clip=0.0,  # largest absolute value of a parameter of D; 0 for any
    ),
)

TRAIN = dict(
    # The cycle of updates, a batch each: d, g, dg (D, then G against the new D), gd (both from one forward pass),
    # d+g (as dg, with new noise for G).
    turns=("dg",),
    steps=0,  # turns to play; 0: as many as `epochs`, or the `growth` section, need
    epochs=0,  # times that all images are shown, in place of steps
    batch_size=64,  # images of all devices together
    encoders_after=Of("icgan", 0.5),  # share of `steps` in which G and D learn; then they stay, and the encoders learn
    # Made images that are kept for D to see again; 0: it sees the newest alone.
    pool_size=Of("cyclegan simgan bigan", 50),
    # stepwise: all samples of a batch draw from what the pool was before the step; sequential: each draws from what the
    # one before has left, as all did before 0.2.0; "": as the run began, and stepwise where it begins.
    pool=Of("cyclegan simgan bigan", ""),
    checkpoint_every=1000,  # steps; the newest three checkpoints stay
    keep_every=0,  # steps; these checkpoints stay too; 0 for none
    best="score",  # the evaluator of `eval` that tells the best checkpoint, which is kept; "" for none
    patience=0,  # numbers of that one in a row without a better one after which the run stops; 0: never
    sample_every=500,  # steps; pictures
    log_every=20,  # steps; metrics.jsonl and TensorBoard
    wandb="",  # project of Weights & Biases that is told too (the extra wandb; WANDB_MODE=offline); "": none
    steps_per_call=1,  # in one call of the device; more for small networks
    num_seeds=1,  # runs in one program, of the seeds `seed`, `seed` + 1, ...
    dtype="float32",  # of activations: float32, bfloat16
    remat=False,  # compute activations again in the backward pass, for less memory
    accumulate=1,  # parts of a batch whose gradients are taken one after the other, for less memory
    nonfinite="stop",  # when a loss or gradient is not finite: stop, skip (the update), rollback (to a checkpoint)
    max_rollbacks=3,  # rollbacks before the run stops
)

# What measures a run while it trains: `eval.NAME`, as many as you like, each under a name of its own.
EVALUATOR = dict(
    # modes, psnr, ssim, ms_ssim, inception_score, asked, l1, lpips, kid, fd, swd, precision, recall, azimuth (of
    # built-in pairs) or another number of --mode=evaluate; "" for the first of modes, l1, kid that the run has.
    type="",
    every=0,  # steps from one number to the next, and the last step; 0 for never
    split="val",  # val: images that are held out for this (data.validation), or test
    images=256,  # the most of each direction or domain
    direction="",  # the direction or domain alone, AtoB and so on; "" for the mean of all
    better="",  # which numbers are: lower, higher; "" as is known of the type
    features="efficientnet",  # the feature network, where the type needs one, as --features
    features_path="",  # file of its weights; "" for the published ones
)

GROWTH = dict(
    first=4,  # pixels, height and width to begin with; they double up to data.image_size
    fade_images=600_000,  # images shown while a new level fades in
    stable_images=600_000,  # images shown after that
    # Share of the made images that D scores above the mean of the real ones at which the next level comes before its
    # time; the last one stays the longer for it. 0: never.
    fooled=0.0,
    # (pixels, batch size), ascending: the batch from this height and width on.
    batch_sizes=((4, 128), (32, 64), (64, 32), (128, 16), (256, 8), (512, 4)),
)

FIELDS = dict(
    seed=0,  # of the parameters, the noise and the order of the data
    data=DATA,
    growth=Of("pggan", GROWTH),
    model=MODEL,
    loss=LOSS,
    optimizer=OPTIMIZER,
    train=TRAIN,
    eval=dict(score=EVALUATOR),
)

# What the `tiny` variants share: the smallest run that shows that a method works. Recipes add their networks' sizes.
TINY = dict(
    data=dict(source="builtin", name="chairs2cars", image_size=16, load_size=18),
    train=dict(steps=2, epochs=0, batch_size=4, steps_per_call=1, log_every=1),
)


def _fields(table: dict[str, Any], name: str) -> dict[str, Any]:
    """The fields of a table that the method or network `name` has."""
    found = {}
    for field, value in table.items():
        if isinstance(value, Of):
            if name not in value:
                continue
            value = value[name]
        if isinstance(value, dict):
            value = _fields(value, name)
        elif isinstance(value, type):  # a new one each time: what shares a placeholder shares its value
            value = config_dict.placeholder(value)
        elif isinstance(value, Open):
            value = config_dict.FieldReference(value.value, field_type=object)
        found[field] = value
    return found


def get_config(
    gan: str, generator: str = "", discriminator: str = "", **own: dict[str, Any]
) -> ml_collections.ConfigDict:
    """All fields of a method with two networks, locked, so that a recipe's misspelt field is an error.

    Args:
      gan: the method, a module of `gan_xla.gans`.
      generator, discriminator: modules of `gan_xla.nets`; "" where the method brings its own networks.
      own: sections of more fields, such as a newcomer has: `loss=dict(adversarial="log", mine=1.0)`.
    """
    config = ml_collections.ConfigDict({"gan": gan, **_fields(FIELDS, gan)})
    for side, net, fields in (("generator", generator, GENERATOR), ("discriminator", discriminator, DISCRIMINATOR)):
        if net:
            config.model[side] = {"net": net, **_fields(fields, net)}
    config.update(own)
    return config.lock()


def variant(config: ml_collections.ConfigDict, name: str, **variants: dict[str, Any]) -> ml_collections.ConfigDict:
    """The config as its variant `name` has it.

    Args:
      config: the recipe.
      name: of the variant; "" for the recipe itself.
      variants: what each of them changes; "tiny" besides `TINY`.
    Raises:
      ValueError: there is no such variant.
    """
    if name and name not in variants:
        raise ValueError(f"unknown variant {name!r}; this config has: {', '.join(sorted(variants))}")
    config.update(TINY if name == "tiny" else {})
    config.update(variants.get(name, {}))
    return config
