"""Keras `.weights.h5` files that may come from anywhere, and are read only as arrays.

Keras reads these files without unpickling or reviving anything. HDF5 itself can do more than hold
arrays: point to other files, run filters, or declare arrays far larger than the file.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_gan_zoo.hub.verify import VerificationError

_MAX_OBJECTS = 20_000


def check_h5(path: str | os.PathLike[str]) -> None:
    """Refuse an HDF5 file that is more than plain numeric arrays of its own.

    Raises:
        VerificationError: links (soft or external), virtual or externally stored arrays, filters
            (compression), other than numeric types, arrays larger than the file, not HDF5 at all.
    """
    import h5py

    path = Path(path)
    try:
        with h5py.File(path, "r") as file:
            found = _problem(file, path.stat().st_size)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        found = f"it cannot be read as HDF5 ({error})"
    if found:
        raise VerificationError(
            f"{path}: {found}. Weights are plain arrays, as `model.save_weights` writes them; "
            "this file is refused."
        )


def _problem(file: Any, size: int) -> str | None:
    import h5py

    total, seen, pending = 0, set(), [file]
    while pending:
        group = pending.pop()
        for name in group:
            link = group.get(name, getlink=True)
            where = f"{group.name.rstrip('/')}/{name}"
            if not isinstance(link, h5py.HardLink):
                return f"{where} is a {type(link).__name__}, which may lead to another file"
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                return f"{where} is a second link to another object"
            seen.add(address)
            if len(seen) > _MAX_OBJECTS:
                return f"it holds more than {_MAX_OBJECTS:,} objects"
            if isinstance(item, h5py.Group):
                pending.append(item)
            elif not isinstance(item, h5py.Dataset):
                return f"{where} is a {type(item).__name__}, not an array"
            elif item.external or item.is_virtual:
                return f"the data of {where} is stored in another file"
            elif item.dtype.kind not in "fiub" and item.dtype.str != "|V2":  # V2: bfloat16
                return f"{where} is of type {item.dtype}, not numbers"
            elif item.id.get_create_plist().get_nfilters():
                return f"{where} is compressed or filtered"
            else:
                total += item.size * item.dtype.itemsize
                if total > size:
                    return f"its arrays claim more bytes than the file has ({size:,})"
    return None


def load(network: Any, path: Path) -> None:
    """Check a file and load it into a built Keras model.

    Raises:
        VerificationError: see `check_h5`; or the arrays do not fit the model, do not cover it, or
            are not finite.
    """
    check_h5(path)
    floats = [v for v in network.weights if "float" in str(v.dtype)]
    for variable in floats:  # what the file does not hold stays NaN, and is found below
        variable.assign(np.full(variable.shape, np.nan, np.float32))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("error", UserWarning)  # Keras warns of groups it skips
            network.load_weights(path)
        for variable in floats:
            if not np.isfinite(np.asarray(variable.numpy(), np.float32)).all():
                raise ValueError(f"{variable.path} is missing, NaN or infinite")
    except (ValueError, KeyError, TypeError, OSError, UserWarning) as error:
        first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise VerificationError(
            f"{path} does not fit the model that its manifest describes "
            f"({network.count_params():,} weights): the config was changed, or the weights are "
            f"another model's. {first}"
        ) from error


def files_by_network(manifest_files: list[Mapping[str, Any]]) -> dict[str, str]:
    """`"generator"` -> `"generator.weights.h5"`, of every weight file listed."""
    suffix = ".weights.h5"
    paths = [entry["path"] for entry in manifest_files]
    return {p.removesuffix(suffix): p for p in paths if p.endswith(suffix) and "/" not in p}
