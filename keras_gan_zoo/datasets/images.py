"""Size and channels of uint8 image batches, the same for every source."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import tensorflow as tf

from keras_gan_zoo.datasets.pipeline import check_integer

#: Arrays larger than this are resized batch by batch in the pipeline instead of once before it.
MEMORY_LIMIT = 2 * 2**30

_CHUNK = 1024
_THREADS = 4


def check_image_size(image_size: int | None) -> int | None:
    """Returns the side of the square images, or None.

    Raises:
        ValueError: if it is neither None nor an integer of at least 1 (a pair, for example).
    """
    if image_size is None:
        return None
    return check_integer("image_size", image_size, 1)


def check_channels(channels: int | None) -> int | None:
    """Returns the number of channels, or None.

    Raises:
        ValueError: if it is not None, 1 (grey) or 3 (RGB).
    """
    if channels is None or (channels in (1, 3) and not isinstance(channels, bool)):
        return channels
    raise ValueError(f"`channels` must be 1 (grey) or 3 (RGB). Received: channels={channels!r}")


def convert_channels(images: tf.Tensor, channels: int | None) -> tf.Tensor:
    """Converts uint8 `(..., h, w, c)` between grey and RGB; RGBA is laid over white.

    Raises:
        ValueError: if the images have another number of channels than 1, 3 or 4.
    """
    have = images.shape[-1]
    if channels is None or have == channels:
        return images
    if have == 4:
        colour = tf.cast(images[..., :3], tf.float32)
        alpha = tf.cast(images[..., 3:], tf.float32) / 255.0
        blended = colour * alpha + 255.0 * (1.0 - alpha)
        return convert_channels(tf.cast(tf.round(blended), tf.uint8), channels)
    if (have, channels) == (3, 1):
        return tf.image.rgb_to_grayscale(images)
    if (have, channels) == (1, 3):
        return tf.repeat(images, 3, axis=-1)
    raise ValueError(f"Cannot convert images of {have} channels to channels={channels}.")


def resize_square(images: tf.Tensor, size: int | None) -> tf.Tensor:
    """Crops uint8 `(..., h, w, c)` to the central square and resizes it (Lanczos, antialiased)."""
    if size is None or tuple(images.shape[-3:-1]) == (size, size):
        return images
    shape = tf.shape(images)
    height, width = shape[-3], shape[-2]
    side = tf.minimum(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = images[..., top : top + side, left : left + side, :]
    resized = tf.image.resize(square, (size, size), method="lanczos3", antialias=True)
    return tf.cast(tf.round(tf.clip_by_value(resized, 0.0, 255.0)), tf.uint8)


def prepare(
    images: np.ndarray, image_size: int | None, channels: int | None
) -> tuple[np.ndarray, Callable[[tf.Tensor], tf.Tensor] | None]:
    """Converts a uint8 array `(n, h, w, c)` once, if the result fits into memory.

    Returns:
        The array, and what is left to do to each batch: None, or a function if the converted array
        would be larger than `MEMORY_LIMIT`.
    """
    n, height, width, have = images.shape
    same_size = image_size is None or (height, width) == (image_size, image_size)
    if same_size and channels in (None, have):
        return images, None

    def transform(batch: tf.Tensor) -> tf.Tensor:
        return resize_square(convert_channels(batch, channels), image_size)

    shape = (height, width) if image_size is None else (image_size, image_size)
    converted_shape = (n, *shape, channels or have)
    if np.prod(converted_shape, dtype=np.int64) > MEMORY_LIMIT:
        return images, transform
    converted = np.empty(converted_shape, np.uint8)

    def convert(start: int) -> None:
        with tf.device("CPU:0"):
            chunk = tf.constant(images[start : start + _CHUNK])
            converted[start : start + _CHUNK] = transform(chunk).numpy()

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(convert, range(0, n, _CHUNK)))  # list: raises what a thread raised
    return converted, None
