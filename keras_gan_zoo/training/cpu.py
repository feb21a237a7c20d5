"""Settings of the CPU runtime that are global to the process, and therefore asked for by name."""

from __future__ import annotations

import warnings
from pathlib import Path

import tensorflow as tf


def enable_cpu_bfloat16(enabled: bool = True) -> bool:
    """Let oneDNN run the matrix products of float32 models in bfloat16, on CPUs that can.

    TensorFlow's graph optimizer rewrites convolutions and matrix products to bfloat16 inputs with
    float32 accumulation; weights, optimizer state, statistics and losses stay float32. In
    `benchmarks/train_step.py` it is as fast as the Keras policy `"mixed_bfloat16"` within the
    spread, and the model itself stays a float32 model. The setting holds for every graph of this
    process that is traced afterwards.

    Args:
        enabled: False switches it off.

    Returns:
        Whether it is on now. A CPU without AVX512-BF16 or AMX gets a warning and float32.
    """
    if enabled and not has_cpu_bfloat16():
        warnings.warn(
            "This CPU has no bfloat16 instructions (avx512_bf16 or amx_bf16): staying in float32.",
            stacklevel=2,
        )
        enabled = False
    tf.config.optimizer.set_experimental_options({"auto_mixed_precision_onednn_bfloat16": enabled})
    return enabled


def has_cpu_bfloat16() -> bool:
    """Whether this CPU has bfloat16 instructions (asked of Linux only)."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
