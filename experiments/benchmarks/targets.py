"""Accelerators that need not be here to be compiled for: what XLA has to know of them."""

import os
import re

import jax
from jax.experimental import topologies

from gan_xla.errors import UserError

# From openxla/xla's descriptions of the cards, backends/gpu/target_config/specs (Apache-2.0).
_CUDA = """
  threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152 threads_per_core_limit: 2048
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535 registers_per_core_limit: 65536
  registers_per_block_limit: 65536 thread_dim_limit_x: 1024 thread_dim_limit_y: 1024 thread_dim_limit_z: 64
  device_vendor: "NVIDIA Corporation" device_address_bits: 64 driver_version: "13.0.0" runtime_version: "12.8.0"
  compile_time_toolkit_version: "12.8.0" dnn_version: "9.10.0" ecc_enabled: true"""
_CARDS = {
    "h100": """
  shared_memory_per_core: 233472 core_count: 132 fpus_per_core: 128 memory_bandwidth: 3352320000000
  l2_cache_size: 52428800 clock_rate_ghz: 1.98 device_memory_size: 84942979072 shared_memory_per_block_optin: 232448
  cuda_compute_capability { major: 9 feature_extension: ACCELERATED_FEATURES } pcie_bandwidth: 34359738368
  platform_version: "Compute Capability 9.0a" name: "NVIDIA H100 80GB HBM3" """,
    "a100": """
  shared_memory_per_core: 167936 core_count: 108 fpus_per_core: 64 memory_bandwidth: 1555200000000
  l2_cache_size: 41943040 clock_rate_ghz: 1.41 device_memory_size: 42331013120 shared_memory_per_block_optin: 166912
  cuda_compute_capability { major: 8 } platform_version: "Compute Capability 8.0" name: "NVIDIA A100-SXM4-40GB" """,
}
_GIB = 2**30
# Bytes of a device's memory that a program may use: what XLA plans with on a card, and the whole HBM of a TPU chip.
MEMORY = {"h100": 75 * _GIB, "a100": 37 * _GIB, "v4": 32 * _GIB, "v5e": 16 * _GIB, "v5p": 95 * _GIB, "v6e": 32 * _GIB}
EXTRAS = {"cuda": "ahead-cuda", "tpu": "ahead-tpu"}


def kind(target: str) -> str:
    """ "h100" of "h100x8", "v5e" of "v5e:4x4".

    Raises:
      UserError: none of `MEMORY`, or written otherwise.
    """
    found = re.fullmatch(r"(\w+?)(x[1-9]\d*|:\d+x\d+(x\d+)?)?", target)
    name = found[1] if found else ""
    if name not in MEMORY or (name in _CARDS) == (":" in target) or target in MEMORY.keys() - _CARDS:
        raise UserError(f"--target={target}: write h100, a100, h100x8 or a TPU slice such as v5e:4x4, v6e:16x16")
    return name


def platform(target: str) -> str:
    """ "cuda" or "tpu"."""
    return "cuda" if kind(target) in _CARDS else "tpu"


def devices(target: str) -> list[jax.Device]:
    """Devices that programs can be compiled for and not run on.

    Args:
      target: "h100" or "a100" for a card, "h100x8" for eight of one host, or a TPU slice by its chips, "v5e:4x4".
    Raises:
      UserError: no such target, or the compiler for it is not installed.
    """
    card, on = kind(target), platform(target)
    options = {"topology_name": target}
    if on == "cuda":
        count = target.partition("x")[2] or "1"
        spec = (
            f'gpu_device_info {{ {_CUDA} {_CARDS[card]} }} platform_name: "CUDA" device_description_str: "{card}" '
            "dnn_version_info { major: 9 minor: 10 patch: 0 }"
        )
        options = {"topology_name": "", "target_config": spec, "topology": f"1x1x{count}"}
    jax.config.update("jax_platforms", "cpu")  # JAX is not to look for the device
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")  # else libtpu asks Google's cloud which machine this is
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")  # there is no chip to quarrel about
    try:
        return list(topologies.get_topology_desc(platform=on, **options).devices)
    except (RuntimeError, ValueError, jax.errors.JaxRuntimeError) as error:
        hint = f"is the compiler there? pip install -e '.[{EXTRAS[on]}]'"
        raise UserError(f"--target={target}: {str(error).splitlines()[0]}; {hint}") from error
