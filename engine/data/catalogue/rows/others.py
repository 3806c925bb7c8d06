"""Data sets with lists of files of their own: Aircraft, RESISC45, CUB-200, and CIFAR's records."""

from __future__ import annotations

from engine.data.catalogue.entry import Download, Entry, HubCopy, Layout, Torchvision

_READERS = "engine.data.readers"
_OXFORD = "https://www.robots.ox.ac.uk/~vgg/data"
_RESISC = "https://huggingface.co/datasets/torchgeo/resisc45/resolve/a826b44d938a883185f11ebe3d512d38b464312f"
_TRAIN, _TEST = {"split": "train"}, {"split": "test"}

ROWS: tuple[Entry, ...] = (
    Entry(
        name="fgvc-aircraft",
        title="FGVC Aircraft",
        description="Photos of aircraft by spotters, 100 model variants.",
        classes="fgvc-aircraft",
        layout=Layout(
            reader=f"{_READERS}.file_lists:read_aircraft",
            folder="fgvc_aircraft",
            images="images",
            signs=("variants.txt", "data/variants.txt"),
        ),
        train=3_334,
        test=3_333,
        hub=HubCopy(
            repository="mteb/FGVCAircraft",
            revision="3ae0e4e94e37c610c26df758ec3255fa90d80e67",
            label="variant",
        ),
        torchvision=Torchvision(
            name="FGVCAircraft", train=_TRAIN, test=_TEST, needs="fgvc-aircraft-2013b/data"
        ),
        downloads=(
            Download(
                url=f"{_OXFORD}/fgvc-aircraft/archives/fgvc-aircraft-2013b.tar.gz",
                into="fgvc_aircraft",
                strip="fgvc-aircraft-2013b/data",
            ),
        ),
        table="FGVC Aircraft",
        templates="fgvc_aircraft",
        foci=True,
        notes=("all copies have one test split, of 3,333 images",),
    ),
    Entry(
        name="resisc45",
        title="RESISC45",
        description="Aerial and satellite images of land, buildings and water, 45 kinds of scene.",
        classes="resisc45",
        layout=Layout(
            reader=f"{_READERS}.file_lists:read_resisc",
            folder="resisc45",
            images="NWPU-RESISC45",
            signs=("NWPU-RESISC45", "resisc45-test.txt", "mobile_home_park"),
        ),
        train=18_900,
        test=6_300,
        hub=HubCopy(
            repository="timm/resisc45", revision="fe12fc5f1b7606543b0355eda392f1ddc54625c6"
        ),
        downloads=(
            Download(
                url=f"{_RESISC}/NWPU-RESISC45.zip",
                into="resisc45",
                md5="75206b2e16446591afa88e2628744886",
            ),
            Download(
                url=f"{_RESISC}/resisc45-train.txt",
                into="resisc45/resisc45-train.txt",
                md5="b5a4c05a37de15e4ca886696a85c403e",
            ),
            Download(
                url=f"{_RESISC}/resisc45-test.txt",
                into="resisc45/resisc45-test.txt",
                md5="3dda9e4988b47eb1de9f07993653eb08",
            ),
        ),
        dead=("the paper's resisc45_split.json (40 % for testing) is nowhere to be had",),
        table="RESISC45",
        templates="resisc45",
        notes=(
            "the split is that of arXiv 1911.06721; resisc45_split.json in CoOp's form goes before",
        ),
    ),
    Entry(
        name="cifar10",
        title="CIFAR-10",
        description="Tiny photos, 32 by 32 pixels, of animals and vehicles, 10 classes.",
        classes="cifar10",
        templates="cifar10",
        layout=Layout(
            reader=f"{_READERS}.cifar:read_cifar10",
            folder="cifar-10-batches-bin",
            signs=("test_batch.bin",),
        ),
        train=50_000,
        test=10_000,
        hub=HubCopy(
            repository="mteb/cifar10",
            revision="69a62dd171e24a133d193073e73fda4dbb823266",
            image="img",
        ),
        torchvision=Torchvision(
            name="CIFAR10",
            train={"train": True},
            test={"train": False},
            files="data",
            labels="targets",
            needs="cifar-10-batches-py",
        ),
        downloads=(
            Download(
                url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                into="",
                md5="c32a1d4ab5d03f1284b67883e8d87530",
            ),
        ),
    ),
    Entry(
        name="cifar100",
        title="CIFAR-100",
        description="Tiny photos, 32 by 32 pixels, of animals, plants, people and things, 100 "
        "classes.",
        classes="cifar100",
        templates="cifar100",
        layout=Layout(
            reader=f"{_READERS}.cifar:read_cifar100", folder="cifar-100-binary", signs=("test.bin",)
        ),
        train=50_000,
        test=10_000,
        hub=HubCopy(
            repository="mteb/cifar100",
            revision="ac5511f885f65fb75d31a9d8810a8440913f7721",
            image="img",
            label="fine_label",
        ),
        torchvision=Torchvision(
            name="CIFAR100",
            train={"train": True},
            test={"train": False},
            files="data",
            labels="targets",
            needs="cifar-100-python",
        ),
        downloads=(
            Download(
                url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
                into="",
                md5="03b5dce01913d631647c71ecec9e9cb8",
            ),
        ),
    ),
    Entry(
        name="cub-200",
        title="CUB-200",
        description="Photos of birds, 200 species, most of North America.",
        classes="cub-200",
        layout=Layout(
            reader=f"{_READERS}.file_lists:read_cub",
            folder="CUB_200_2011",
            images="images",
            signs=("image_class_labels.txt",),
        ),
        train=5_994,
        test=5_794,
        downloads=(
            Download(
                url="https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
                into="",
                md5="97eceeb196236b17998738112f37df78",
            ),
        ),
        dead=("www.vision.caltech.edu/visipedia: use data.caltech.edu",),
    ),
)
