"""The one `tf.data` pipeline that every loader of this package ends in.

Order of the data. The i-th pass over a shuffled dataset is a permutation that depends on nothing
but `(seed, i)`: a counter, captured by the pipeline, is read and incremented when an iterator
starts, and the permutation is drawn statelessly from `[seed, counter]`. What the process did before
has no influence, so a training run that is resumed at epoch i sees the images that the
uninterrupted run would have seen. `get_epoch` and `set_epoch` reach the counter from any dataset
derived from it.

Speed. Images stay in memory as uint8; each batch is one gather, one cast and one multiplication.
The tf.data autotuner is off in every pipeline: its thread makes the end of `fit` wait for up to a
minute. Parallelism is explicit instead.
"""

import threading
from collections.abc import Callable, Iterator
from numbers import Integral
from typing import Any

import numpy as np
import tensorflow as tf

#: Calls of the fetching function that may run at once, and batches kept ready.
PARALLEL_CALLS = 2
PREFETCH = 2

_COUNTER = "_keras_gan_zoo_epoch_counter"


def pipeline_options() -> tf.data.Options:
    """Options of every pipeline: autotune off (see the module's docstring), deterministic order."""
    options = tf.data.Options()
    options.autotune.enabled = False
    options.deterministic = True
    return options


def scale_to_float(images: tf.Tensor) -> tf.Tensor:
    """Scales uint8 images, 0..255, to float32 in [-1, 1]. The shape is kept."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def constant_on_host(array: np.ndarray) -> tf.Tensor:
    """Copies an array into a tensor in main memory, also where a GPU is present."""
    with tf.device("CPU:0"):
        return tf.constant(array)


def check_integer(name: str, value: Any, minimum: int) -> int:
    """Returns `value` as an int.

    Raises:
        ValueError: if it is not an integer, or below `minimum`.
    """
    if isinstance(value, bool | np.bool_) or not isinstance(value, Integral) or value < minimum:
        raise ValueError(
            f"`{name}` must be an integer of at least {minimum}. Received: {name}={value!r}"
        )
    return int(value)


def check_seed(seed: Any) -> int:
    """Returns `seed` as an int.

    Raises:
        ValueError: if it is not an integer in 0 .. 2**63 - 1.
    """
    seed = check_integer("seed", seed, 0)
    if seed >= 2**63:
        raise ValueError(f"`seed` must be below 2**63. Received: seed={seed}")
    return seed


def resolve_drop_remainder(
    num_examples: int, batch_size: int, shuffle: bool, drop_remainder: bool | None
) -> bool:
    """Applies the default (`shuffle`) and refuses a dataset that would yield no batch at all.

    Raises:
        ValueError: if nothing is left, with the ways out.
    """
    if num_examples < 1:
        raise ValueError("The dataset is empty: at least one example is needed. Received: 0")
    drop = shuffle if drop_remainder is None else bool(drop_remainder)
    if drop and batch_size > num_examples:
        raise ValueError(
            f"With `drop_remainder=True` (the default when shuffling) a batch must not be larger "
            f"than the dataset, or no batch is left. Use a `batch_size` of at most {num_examples}, "
            f"or `drop_remainder=False`. Received: batch_size={batch_size} and "
            f"{num_examples} examples"
        )
    return drop


def _new_counter() -> tf.Variable:
    # In a thread of its own: a `strategy.scope()` around the caller would otherwise turn the
    # counter into a mirrored (under several workers: a collectively initialised) variable.
    made: list[tf.Variable] = []

    def make() -> None:
        with tf.device("CPU:0"):
            made.append(tf.Variable(0, dtype=tf.int64, trainable=False, name="epoch"))

    thread = threading.Thread(target=make, name="keras_gan_zoo_epoch_counter")
    thread.start()
    thread.join()
    return made[0]


def epochs() -> tf.data.Dataset:
    """A dataset of one int64 scalar, the number of the pass: 0 for its first iterator, then 1, 2,
    ...

    The counter behind it is what `get_epoch` and `set_epoch` find.
    """
    counter = _new_counter()
    dataset = tf.data.Dataset.from_tensors(0).map(lambda _: counter.assign_add(1) - 1)
    setattr(dataset, _COUNTER, counter)
    return dataset


def permuted_batches(
    num_examples: int, seed: int, batch_size: int, drop: bool = True, passes: int = 1
) -> tf.data.Dataset:
    """Batches of int32 indices, 0 .. n-1 each once, in the order that belongs to `(seed, epoch)`.

    The permutation is cut into rows, not fed index by index: for small examples that would take
    longer than all the rest.

    Args:
        num_examples, seed, batch_size: as for `indexed_dataset`.
        drop: whether a last, smaller batch is left out.
        passes: over the examples in one epoch, each in an order of its own.
    """
    steps, rest = divmod(num_examples, batch_size)

    def one_pass(number: tf.Tensor) -> tf.data.Dataset:
        key = tf.stack([tf.constant(seed, tf.int64), number])
        order = tf.random.experimental.stateless_shuffle(tf.range(num_examples), key)
        rows = tf.reshape(order[: steps * batch_size], [steps, batch_size])
        batches = tf.data.Dataset.from_tensor_slices(rows)
        if rest and not drop:
            batches = batches.concatenate(tf.data.Dataset.from_tensors(order[-rest:]))
        return batches

    def passes_of(epoch: tf.Tensor) -> tf.data.Dataset:
        return tf.data.Dataset.range(epoch * passes, (epoch + 1) * passes).flat_map(one_pass)

    return epochs().flat_map(one_pass if passes == 1 else passes_of)


def shuffled_stream(stream: tf.data.Dataset, buffer_size: int, seed: int) -> tf.data.Dataset:
    """Shuffles a dataset that is too large for memory through a buffer, by `(seed, epoch)`."""

    def one_epoch(epoch: tf.Tensor) -> tf.data.Dataset:
        key = tf.stack([tf.constant(seed, tf.int64), epoch])
        mixed = tf.random.stateless_uniform((), key, minval=None, maxval=None, dtype=tf.int64)
        return stream.shuffle(buffer_size, seed=mixed, reshuffle_each_iteration=False)

    return epochs().flat_map(one_epoch)


def batched(
    examples: tf.data.Dataset,
    fetch: Callable[..., Any],
    num_examples: int,
    batch_size: int,
    drop_remainder: bool,
) -> tf.data.Dataset:
    """Batches `examples` (indices or raw images), maps `fetch` over the batches and prefetches."""
    steps = num_examples // batch_size if drop_remainder else -(-num_examples // batch_size)
    return fetched(examples.batch(batch_size, drop_remainder=drop_remainder), fetch, steps)


def fetched(batches: tf.data.Dataset, fetch: Callable[..., Any], steps: int) -> tf.data.Dataset:
    """Maps `fetch` over `steps` batches (of indices or raw images) and prefetches."""
    return (
        batches.map(fetch, num_parallel_calls=PARALLEL_CALLS, deterministic=True)
        .apply(tf.data.experimental.assert_cardinality(steps))
        .prefetch(PREFETCH)
        .with_options(pipeline_options())
    )


def indexed_dataset(
    num_examples: int,
    fetch: Callable[[tf.Tensor], Any],
    *,
    batch_size: int,
    seed: int,
    shuffle: bool,
    drop_remainder: bool | None,
) -> tf.data.Dataset:
    """A dataset over anything that can be fetched by index.

    Args:
        num_examples: number of examples, at least 1.
        fetch: maps int32 indices `(batch,)` to a batch.
        batch_size: examples of a batch.
        seed: together with the epoch decides the order.
        shuffle: whether each epoch has an order of its own; otherwise the order is 0 .. n-1.
        drop_remainder: whether a last, smaller batch is left out. `None`: the same as `shuffle`.

    Raises:
        ValueError: for arguments out of range and for a dataset that yields no batch.
    """
    batch_size = check_integer("batch_size", batch_size, 1)
    seed = check_seed(seed)
    drop = resolve_drop_remainder(num_examples, batch_size, shuffle, drop_remainder)
    if shuffle:
        steps = num_examples // batch_size if drop else -(-num_examples // batch_size)
        return fetched(permuted_batches(num_examples, seed, batch_size, drop), fetch, steps)
    indices = tf.data.Dataset.range(num_examples, output_type=tf.int32)
    return batched(indices, fetch, num_examples, batch_size, drop)


def in_memory(
    examples: np.ndarray,
    labels: np.ndarray | None,
    *,
    batch_size: int,
    seed: int,
    shuffle: bool,
    drop_remainder: bool | None,
    transform: Callable[[tf.Tensor], tf.Tensor] | None = None,
) -> tf.data.Dataset:
    """A dataset over arrays: uint8 examples are scaled to [-1, 1], float32 ones are passed on.

    Args:
        examples: `(n, ...)`, uint8 or float32.
        labels: int32 `(n,)`, or None.
        batch_size, seed, shuffle, drop_remainder: see `indexed_dataset`.
        transform: applied to each batch before the scaling.
    """
    stored = constant_on_host(examples)
    stored_labels = None if labels is None else constant_on_host(labels.astype(np.int32))

    def fetch(indices: tf.Tensor) -> Any:
        batch = tf.gather(stored, indices)
        if transform is not None:
            batch = transform(batch)
        if batch.dtype == tf.uint8:
            batch = scale_to_float(batch)
        return batch if stored_labels is None else (batch, tf.gather(stored_labels, indices))

    return indexed_dataset(
        len(examples),
        fetch,
        batch_size=batch_size,
        seed=seed,
        shuffle=shuffle,
        drop_remainder=drop_remainder,
    )


def describe(
    dataset: tf.data.Dataset,
    *,
    name: str,
    num_examples: int,
    num_classes: int | None,
    split: str | None = None,
    **more: Any,
) -> tf.data.Dataset:
    """Sets the attributes promised by `load` on a dataset and returns it."""
    images = dataset.element_spec
    if isinstance(images, tuple):
        images = images[0]
    attributes = {
        "name": name,
        "num_examples": num_examples,
        "num_classes": num_classes,
        "split": split,
        "image_shape": tuple(images.shape[1:]),
        **more,
    }
    for key, value in attributes.items():
        setattr(dataset, key, value)
    return dataset


def _counters(dataset: Any) -> Iterator[tf.Variable]:
    seen: set[int] = set()
    stack = [dataset]
    while stack:
        current = stack.pop()
        if id(current) in seen:
            continue
        seen.add(id(current))
        counter = getattr(current, _COUNTER, None)
        if counter is not None:
            yield counter
        inputs = getattr(current, "_inputs", None)
        if callable(inputs):
            stack.extend(reversed(inputs()))
        original = getattr(current, "_original_dataset", None)  # of tf.distribute
        if original is not None:
            stack.append(original)


def get_epoch(dataset: tf.data.Dataset) -> int | None:
    """The number of the pass that the next iterator over `dataset` will make.

    Args:
        dataset: a dataset of this package, or one derived from it by `map`, `batch`, `take`, `zip`,
            `with_options`, `experimental_distribute_dataset`, ...

    Returns:
        An int, 0 for a dataset that was never iterated. None if the dataset is not shuffled by this
        package. If several were zipped, the number of the first.

    An iterator counts from the moment its first element is asked for (prefetching included).

    Example:

    >>> dataset = load("fashion_mnist_mini")
    >>> get_epoch(dataset)
    0
    >>> for images, labels in dataset: ...
    >>> get_epoch(dataset.map(lambda images, labels: images))
    1
    """
    for counter in _counters(dataset):
        return int(counter.numpy())
    return None


def set_epoch(dataset: tf.data.Dataset, epoch: int) -> bool:
    """Makes the next iterator over `dataset` the pass number `epoch`.

    Args:
        dataset: as for `get_epoch`. Every counter below it is set.
        epoch: an integer of at least 0.

    Returns:
        Whether there was a counter to set; False for a dataset not shuffled by this package.

    Raises:
        ValueError: if `epoch` is no such integer.

    Example:

    >>> dataset = load("ring")
    >>> first = next(iter(dataset))       # a peek: counted as pass 0
    >>> set_epoch(dataset, 0)             # undo
    True
    """
    epoch = check_integer("epoch", epoch, 0)
    found = False
    for counter in _counters(dataset):
        counter.assign(epoch)
        found = True
    return found
