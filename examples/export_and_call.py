"""Export a pretrained generator and call it from a process that has only TensorFlow.

python examples/export_and_call.py [--preset dcgan.fashion_mnist] [--output runs/examples/served]
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np

import keras_gan_zoo as zoo
from keras_gan_zoo.pictures import to_uint8

CLIENT = """
import sys, numpy as np, tensorflow as tf
served = tf.saved_model.load(sys.argv[1])
images = served.signatures["sample"](seed=tf.constant(7, tf.int64), n=tf.constant(4))["images"]
assert "keras_gan_zoo" not in sys.modules
np.save(sys.argv[2], images.numpy())
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="dcgan.fashion_mnist")
    parser.add_argument("--output", type=Path, default=Path("runs/examples/served"))
    arguments = parser.parse_args()

    gan = zoo.from_pretrained(arguments.preset)
    folder = zoo.export(gan, arguments.output)
    print("exported:", folder)

    result = arguments.output / "client.npy"
    subprocess.run([sys.executable, "-c", CLIENT, str(folder), str(result)], check=True)
    served, here = np.load(result), to_uint8(gan.sample(4, seed=7))
    difference = int(np.abs(served.astype(int) - here.astype(int)).max())
    print(f"client without the zoo: {served.shape} {served.dtype}, largest difference {difference}")
    sys.exit(0 if difference <= 1 else 1)


if __name__ == "__main__":
    main()
