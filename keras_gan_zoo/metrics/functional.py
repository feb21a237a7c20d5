"""The mathematics of the metrics, on arrays of features, probabilities, labels or images.

Every function takes NumPy arrays (or anything that becomes one, eager tensors included) and returns
Python floats, dicts or NumPy arrays; none is for use inside a graph. What features mean is the
caller's business: see the extractors.

| function | question |
|---|---|
| `frechet_distance`, `frechet_distance_from_moments`, `moments`, `Moments` | do first and second \
moments agree? |
| `kernel_distance`, `kernel_distance_blocks` | do the distributions agree, without bias? |
| `inception_score` | do a classifier's answers vary, and is it certain? |
| `precision_recall_density_coverage` | are samples real, and is all that is real sampled? |
| `sliced_wasserstein`, `laplacian_pyramid`, `laplacian_swd` | do pixels and patches agree? |
| `ms_ssim`, `ms_ssim_diversity` | do samples differ from each other? |
| `classifier_accuracy_score` | can one learn the real classes from generated samples? |
| `mode_coverage`, `mode_coverage_from_labels` | are all known modes there, equally often? |
| `nearest_neighbours`, `memorisation` | are samples copies of training data? |
| `bootstrap` | how sure is the figure? |

Features are float32 or float64 `(n, width)`; half precision is computed in float32, integers in
float64. NaN or infinite features, widths that differ and too few rows raise `ValueError`.
"""

from keras_gan_zoo.metrics._bootstrap import bootstrap
from keras_gan_zoo.metrics._frechet import (
    Moments,
    frechet_distance,
    frechet_distance_from_moments,
    moments,
)
from keras_gan_zoo.metrics._kernel import kernel_distance, kernel_distance_blocks
from keras_gan_zoo.metrics._memorisation import memorisation
from keras_gan_zoo.metrics._modes import mode_coverage, mode_coverage_from_labels
from keras_gan_zoo.metrics._neighbours import (
    nearest_neighbours,
    precision_recall_density_coverage,
)
from keras_gan_zoo.metrics._scores import classifier_accuracy_score, inception_score
from keras_gan_zoo.metrics._ssim import ms_ssim, ms_ssim_diversity
from keras_gan_zoo.metrics._wasserstein import (
    laplacian_pyramid,
    laplacian_swd,
    sliced_wasserstein,
)

__all__ = [
    "Moments",
    "bootstrap",
    "classifier_accuracy_score",
    "frechet_distance",
    "frechet_distance_from_moments",
    "inception_score",
    "kernel_distance",
    "kernel_distance_blocks",
    "laplacian_pyramid",
    "laplacian_swd",
    "memorisation",
    "mode_coverage",
    "mode_coverage_from_labels",
    "moments",
    "ms_ssim",
    "ms_ssim_diversity",
    "nearest_neighbours",
    "precision_recall_density_coverage",
    "sliced_wasserstein",
]
