"""Which feature-map sizes a convolutional network goes through."""

from __future__ import annotations

from collections.abc import Sequence


def image_sizes(image_shape: Sequence[int], smallest: int = 4) -> list[int]:
    """Side lengths from the image down to the smallest feature map.

    Each is half of the one before, rounded up, until it is below `2 * smallest`: a discriminator
    with stride-2 "same" convolutions goes down this list, a generator up.

    Args:
        image_shape: `(height, width, channels)`: square, 16 to 256, a multiple of 4, 1 or 3
            channels.
        smallest: the least side of the smallest map.

    Raises:
        ValueError: a shape that the convolutional networks cannot make.

    Example:

    >>> image_sizes((28, 28, 1)), image_sizes((64, 64, 3))
    ([28, 14, 7], [64, 32, 16, 8, 4])
    """
    shape = tuple(image_shape)
    good = len(shape) == 3 and shape[0] == shape[1] and shape[2] in (1, 3)
    if not (good and 16 <= shape[0] <= 256 and shape[0] % 4 == 0):
        hint = ""
        if len(shape) == 3 and shape[2] in (1, 3):
            side = min(256, max(16, round((shape[0] + shape[1]) / 8) * 4))
            hint = f" The nearest shape is {(side, side, shape[2])}: resize the images to it."
        raise ValueError(
            "The convolutional networks make square images of 16 to 256 pixels a side, a multiple "
            f"of 4, with 1 or 3 channels. Received: image_shape={shape}.{hint}"
        )
    sizes = [shape[0]]
    while sizes[-1] >= 2 * smallest:
        sizes.append(-(-sizes[-1] // 2))
    return sizes
