"""Train one model on several workers, with `tf.distribute.MultiWorkerMirroredStrategy`.

    python examples/two_workers.py                 # two processes on this machine

Without `TF_CONFIG` the script starts two workers of itself on loopback, as a cluster's scheduler
would on two machines; with `TF_CONFIG` it is one worker. Each worker gets its share of every batch,
gradients and BatchNormalization moments are those of the whole batch, and all workers end with the
same weights, which the script checks.
"""

import argparse
import hashlib
import json
import os
import socket
import subprocess
import sys


def worker(epochs: int, width: int) -> None:
    import tensorflow as tf

    strategy = tf.distribute.MultiWorkerMirroredStrategy()  # before anything else of TensorFlow
    import keras_gan_zoo as zoo

    dataset = zoo.datasets.load("fashion_mnist_mini", "train[:2560]", batch_size=128)
    with strategy.scope():
        gan = zoo.create("dcgan", (28, 28, 1), width=width, ema=0.99, seed=0)
    chief = strategy.cluster_resolver.task_id == 0
    gan.fit(dataset, epochs=epochs, verbose=2 if chief else 0)
    digest = hashlib.sha256(b"".join(w.tobytes() for w in gan.get_weights())).hexdigest()
    print(f"worker {strategy.cluster_resolver.task_id}: weights sha256 {digest}", flush=True)


def free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--width", type=int, default=16)
    arguments = parser.parse_args()
    if "TF_CONFIG" in os.environ:
        worker(arguments.epochs, arguments.width)
        return 0
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    workers = []
    for i in range(2):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": i}}
        environment = {
            **os.environ,
            "TF_CONFIG": json.dumps(config),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "GRPC_VERBOSITY": "ERROR",
        }
        workers.append(
            subprocess.Popen(
                [sys.executable, __file__, *sys.argv[1:]],
                env=environment,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
    outputs = [w.communicate()[0] for w in workers]
    print("".join(outputs))
    digests = {line.split()[-1] for out in outputs for line in out.splitlines() if "sha256" in line}
    equal = len(digests) == 1 and all(w.returncode == 0 for w in workers)
    print("Both workers hold the same weights." if equal else "The workers differ!")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
