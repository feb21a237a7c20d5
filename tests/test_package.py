"""The package from outside: imports, layers of the architecture, registry."""

import ast
import subprocess
import sys
import time
from pathlib import Path

import pytest

import keras_gan_zoo as zoo

ROOT = Path(zoo.__file__).parent.parent

PACKAGE = Path(zoo.__file__).parent

# What may be imported from where: a package imports from its own and from lower levels only.
LEVELS = {
    "_text": 0,
    "serving": 1,
    "pictures": 0,
    "datasets": 1,
    "theory": 1,
    "layers": 1,
    "losses": 1,
    "networks": 2,
    "training": 3,
    "latent": 4,
    "metrics": 4,
    "callbacks": 5,
    "models": 5,
    "registry": 6,
    "hub": 7,
    "export": 7,
    "runs": 8,
    "reports": 8,
    "cli": 9,
}
ALLOWED = {("models", "registry")}  # a paper's file registers itself


def part(module):
    return module.split(".")[1] if "." in module else ""


def imports(path):
    """Modules of the package that a file imports at module level."""
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("keras_gan_zoo"):
            if node.module == "keras_gan_zoo":
                yield from (f"keras_gan_zoo.{a.name}" for a in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.startswith("keras_gan_zoo."))


def test_arrows_point_one_way():
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        relative = path.relative_to(PACKAGE)
        here = relative.parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        for module in imports(path):
            there = part(module)
            if (here, there) not in ALLOWED and LEVELS[there] > LEVELS[here]:
                wrong.append(f"{relative} imports {module}")
    assert not wrong


def test_every_public_name_resolves():
    for name in zoo.__all__:
        assert getattr(zoo, name) is not None
    with pytest.raises(AttributeError, match="from_pretrained"):
        zoo.from_pretraned  # noqa: B018


@pytest.mark.parametrize(
    "statement",
    [
        "import keras_gan_zoo",
        "import keras_gan_zoo as z; z.list_models()",
        "import keras_gan_zoo as z; z.list_models(pretrained=True)",
        "import sys; sys.argv = ['keras-gan-zoo', 'list']; import keras_gan_zoo.cli as c; c.app("
        "standalone_mode=False)",
        "import sys; sys.argv = ['keras-gan-zoo', '--help']; import keras_gan_zoo.cli as c; c.app("
        "standalone_mode=False)",
    ],
)
def test_no_tensorflow_for_light_commands(statement):
    code = f"{statement}\nimport sys\nprint(sorted({{'tensorflow', 'keras'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


@pytest.mark.slow  # a time, on a machine that may be busy
@pytest.mark.parametrize(
    "arguments", [["-c", "import keras_gan_zoo"], ["-m", "keras_gan_zoo.cli", "list"]]
)
def test_light_commands_take_less_than_half_a_second(arguments):
    def seconds():
        begin = time.monotonic()
        subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
        return time.monotonic() - begin

    assert min(seconds() for _ in range(5)) < 0.5


def test_models_are_listed_with_their_papers():
    names = zoo.list_models()
    assert {"gan", "nsgan", "dcgan"} <= set(names)
    assert names == sorted(names)
    assert zoo.list_models("dc*") == ["dcgan"]
    info = zoo.model_info("dcgan")
    assert info["year"] == 2015 and "Radford" in info["paper"]
    assert info["defaults"]["learning_rate"] == 2e-4 and info["defaults"]["beta_1"] == 0.5


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(ValueError, match='Did you mean "dcgan"'):
        zoo.create("dcgna")
    with pytest.raises(ValueError, match='Did you mean "width"'):
        zoo.create("dcgan", (16, 16, 1), widht=3)
    with pytest.raises(ValueError, match="hinge"):
        zoo.create("dcgan", (16, 16, 1), width=4, loss="hinges")
    with pytest.raises(ValueError, match="unconditional"):
        zoo.create("dcgan", (16, 16, 1), width=4, num_classes=10)


@pytest.mark.parametrize(
    "shape", [(30, 30, 1), (28, 32, 1), (12, 12, 1), (260, 260, 3), (32, 32, 2)]
)
def test_impossible_image_shapes(shape):
    with pytest.raises(ValueError, match="nearest shape|1 or 3 channels"):
        zoo.create("dcgan", shape, width=4)


@pytest.mark.parametrize("shape", ["28", (28, 28), (0, 28, 1), 28])
def test_malformed_image_shapes(shape):
    with pytest.raises(ValueError, match="height, width, channels"):
        zoo.create("dcgan", shape)


def test_user_models_can_be_registered(dataset):
    @zoo.register("my_test_gan", paper="me", year=2026, summary="a test")
    def build(image_shape, **options):
        from keras_gan_zoo.models.dcgan import dcgan

        return dcgan(image_shape, width=4, loss="hinge", **options)

    try:
        assert "my_test_gan" in zoo.list_models()
        gan = zoo.create("my_test_gan", (16, 16, 1), seed=0)
        assert gan.loss_object.name == "hinge" and gan.recipe["name"] == "my_test_gan"
        with pytest.raises(ValueError, match="taken"):
            zoo.register("dcgan", paper="", year=2026, summary="")(build)
        with pytest.raises(ValueError, match="identifier"):
            zoo.register("My GAN", paper="", year=2026, summary="")
    finally:
        from keras_gan_zoo import registry

        registry._registered.pop("my_test_gan")


def test_seeds_make_models_and_leave_python_alone():
    import random

    import numpy as np

    random.seed(5)
    expected = random.random()
    random.seed(5)
    one, two = (zoo.create("dcgan", (16, 16, 1), width=4, seed=3) for _ in range(2))
    assert random.random() == expected
    for a, b in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_dcgan_has_the_paper_s_size():
    gan = zoo.create("dcgan", (64, 64, 3))

    def count(network):
        return sum(int(v.numpy().size) for v in network.trainable_variables)

    assert (count(gan.generator), count(gan.discriminator)) == (3_576_704, 2_765_568)


def test_dcgan_follows_the_guidelines():
    import numpy as np
    from keras import layers

    gan = zoo.create("dcgan", (64, 64, 3), seed=0)
    g, d = gan.generator.layers, gan.discriminator.layers
    for network in (g, d):
        assert not any(
            isinstance(layer, (layers.MaxPooling2D, layers.UpSampling2D)) for layer in network
        )
    ups = [layer for layer in g if isinstance(layer, layers.Conv2DTranspose)]
    downs = [layer for layer in d if isinstance(layer, layers.Conv2D)]
    assert [layer.strides for layer in (*ups, *downs)] == [(2, 2)] * 8
    assert sum(isinstance(layer, layers.BatchNormalization) for layer in g) == len(ups)
    assert sum(isinstance(layer, layers.BatchNormalization) for layer in d) == len(downs) - 1
    assert sum(isinstance(layer, layers.ReLU) for layer in g) == len(ups)
    assert g[-1].activation.__name__ == "tanh"
    slopes = [layer.negative_slope for layer in d if isinstance(layer, layers.LeakyReLU)]
    assert slopes == [0.2] * 4
    for layer in (*ups, *downs):
        assert abs(float(np.std(layer.kernel)) - 0.02) < 0.002
    assert float(gan.g_optimizer.learning_rate) == pytest.approx(2e-4)
    assert gan.g_optimizer.beta_1 == 0.5


def test_a_wheel_holds_every_package_and_the_presets():
    """setup.cfg lists the packages: the presets are one of them, from another folder."""
    import configparser

    find_packages = pytest.importorskip("setuptools").find_packages
    if not (ROOT / "setup.cfg").exists():
        pytest.skip("not a checkout")
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    listed = parser["options"]["packages"].split()
    found = find_packages(str(ROOT), include=["keras_gan_zoo*"])
    assert sorted(listed) == sorted([*found, "keras_gan_zoo.zoo_weights"])
    kept = parser["options.package_data"]["keras_gan_zoo.zoo_weights"].split()
    files = {p for p in (ROOT / "zoo_weights").rglob("*") if p.is_file()}
    assert files and files == {p for k in kept for p in (ROOT / "zoo_weights").glob(k)}
