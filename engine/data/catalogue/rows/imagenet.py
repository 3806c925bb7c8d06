"""ImageNet, and the four whose prompts are found on it and tested on them."""

from __future__ import annotations

from engine.data.catalogue.entry import Download, Entry, HubCopy, Layout, TarCopy

_READER = "engine.data.readers.imagenet"
_PHOTOS_OF_MANY = "Photos of everyday objects, animals, plants and scenes, 1000 classes"


def _variant(folder: str, images: str, *signs: str) -> Layout:
    return Layout(reader=f"{_READER}:read_variant", folder=folder, images=images, signs=signs)


ROWS: tuple[Entry, ...] = (
    Entry(
        name="imagenet",
        title="ImageNet",
        description=f"{_PHOTOS_OF_MANY}.",
        classes="imagenet",
        layout=Layout(
            reader=f"{_READER}:read_imagenet",
            folder="imagenet",
            images="images",
            signs=("images/train", "train"),
        ),
        train=1_281_167,
        test=50_000,
        hub=HubCopy(
            repository="mteb/wds_imagenet1k",
            revision="b54c9af96641d8a2cba5d1144629c724de94ef76",
            image="jpg",
            label="cls",
        ),
        tars=TarCopy(repository="clip-benchmark/wds_imagenet1k", revision="main", train=True),
        steps=(
            "agree to the terms at https://image-net.org and download ILSVRC2012_img_train.tar "
            "(md5 1d675b47d978889d74fa0da5fadfb00e) and ILSVRC2012_img_val.tar "
            "(md5 29b22e2961454d5413ddabcf34fc5622)",
            "unpack them as imagenet/images/train/n01440764/*.JPEG and "
            "imagenet/images/val/n01440764/*.JPEG: one folder per WordNet id, the validation "
            "images sorted into such folders too",
        ),
        table="ImageNet",
        templates="imagenet",
        notes=(
            "its validation images are the test split, as in CoOp and the paper",
            "through the hub all of it is downloaded, some 150 GB, before the first image",
        ),
    ),
    Entry(
        name="imagenet-v2",
        title="ImageNetV2",
        description=f"{_PHOTOS_OF_MANY}, collected anew for ImageNet.",
        classes="imagenet",
        layout=_variant("imagenetv2", "imagenetv2-matched-frequency-format-val"),
        train=1_281_167,
        test=10_000,
        tars=TarCopy(repository="clip-benchmark/wds_imagenetv2", revision="98e9ba6"),
        trained_on="imagenet",
        downloads=(
            Download(
                url="https://huggingface.co/datasets/vaishaal/ImageNetV2/resolve/"
                "d626240be2538720e83103a0e1178d24aca8b12c/imagenetv2-matched-frequency.tar.gz",
                into="imagenetv2",
            ),
        ),
        dead=(
            "the S3 bucket imagenetv2public of CoOp's page: use the authors' copy on the hub, "
            "vaishaal/ImageNetV2",
        ),
        table="ImageNetV2",
        templates="imagenet",
    ),
    Entry(
        name="imagenet-sketch",
        title="ImageNet-Sketch",
        description="Black and white sketches and drawings of objects and animals, 1000 classes of "
        "ImageNet.",
        classes="imagenet",
        layout=_variant("imagenet-sketch", "images", "images/n01440764"),
        train=1_281_167,
        test=50_889,
        tars=TarCopy(repository="clip-benchmark/wds_imagenet_sketch", revision="751cf0a"),
        trained_on="imagenet",
        downloads=(
            Download(
                url="https://huggingface.co/datasets/songweig/imagenet_sketch/resolve/"
                "bee800b13e5902e5dc77861fce441a6986b840ca/data/ImageNet-Sketch.zip",
                into="imagenet-sketch/images",
                strip="sketch",
            ),
        ),
        table="ImageNet-Sketch",
        templates="imagenet",
    ),
    Entry(
        name="imagenet-a",
        title="ImageNet-A",
        description="Real photos that mislead image classifiers: animals and objects of 200 "
        "classes of ImageNet, unusually seen or surrounded.",
        classes="imagenet",
        subset="imagenet-a",
        layout=_variant("imagenet-adversarial", "imagenet-a"),
        train=None,
        test=7_500,
        tars=TarCopy(repository="clip-benchmark/wds_imagenet-a", revision="614c3a5"),
        trained_on="imagenet",
        downloads=(
            Download(
                url="https://people.eecs.berkeley.edu/~hendrycks/imagenet-a.tar",
                into="imagenet-adversarial",
                md5="c3e55429088dc681f30d81f4726b6595",
            ),
        ),
        table="ImageNet-A",
        templates="imagenet",
    ),
    Entry(
        name="imagenet-r",
        title="ImageNet-R",
        description="Renditions of animals and objects of 200 classes of ImageNet: paintings, "
        "cartoons, sculptures, toys, tattoos, embroidery and the like.",
        classes="imagenet",
        subset="imagenet-r",
        layout=_variant("imagenet-rendition", "imagenet-r"),
        train=None,
        test=30_000,
        tars=TarCopy(repository="clip-benchmark/wds_imagenet-r", revision="610f29c"),
        trained_on="imagenet",
        downloads=(
            Download(
                url="https://people.eecs.berkeley.edu/~hendrycks/imagenet-r.tar",
                into="imagenet-rendition",
                md5="a61312130a589d0ca1a8fca1f2bd3337",
            ),
        ),
        table="ImageNet-R",
        templates="imagenet",
    ),
)
