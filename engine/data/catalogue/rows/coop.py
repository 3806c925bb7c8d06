"""Data sets with a split file of CoOp's: ``split_zhou_NAME.json``."""

from __future__ import annotations

from engine.data.catalogue.entry import Download, Entry, HubCopy, Layout, Torchvision

_SPLITS = "https://raw.githubusercontent.com/MorningStarOvO/ProAPO/fefdf1850210e7ac6d0f38229eed550f1b9ab6e9/data/dataset"
_OXFORD = "https://www.robots.ox.ac.uk/~vgg/data"
_DRIVE = (
    "CoOp's split files on Google Drive need a browser; ProAPO's repository has the same splits"
)
_NOT_COOP = "the hub's copy is split otherwise than CoOp's: its numbers stand beside no table"
_TRAIN, _TEST = {"split": "train"}, {"split": "test"}


def _coop(folder: str, images: str, name: str, digest: str) -> Layout:
    return Layout(
        reader="engine.data.readers.coop_split:read",
        folder=folder,
        images=images,
        split=f"split_zhou_{name}.json",
        digest=digest,
    )


def _split(folder: str, name: str, size: int | None = None, sha256: str = "") -> Download:
    return Download(
        url=f"{_SPLITS}/{name}/split.json",
        into=f"{folder}/split.json",
        bytes=size,
        sha256=sha256,
    )


ROWS: tuple[Entry, ...] = (
    Entry(
        name="caltech101",
        title="Caltech101",
        description="Photos and drawings of single objects, animals, instruments and faces, 100 "
        "categories.",
        classes="caltech101",
        layout=_coop(
            "caltech-101",
            "101_ObjectCategories",
            "Caltech101",
            "b15351a6645d45ba7051a2fdecab7600bc090aedf5437b475cdc52dc2e952690",
        ),
        train=4_128,
        test=2_465,
        hub=HubCopy(
            repository="mteb/Caltech101", revision="011e51e5fb01f0c820824734edb7a539ab8e6650"
        ),
        downloads=(
            Download(
                url="https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
                into="",
                md5="3138e1922a9193bfa496528edbbc45d0",
                inner="caltech-101/101_ObjectCategories.tar.gz",
            ),
            _split(
                "caltech-101",
                "caltech101",
                383_119,
                "b5e457a79244e5b4d0a84538fcd0a8dd444aa0aa7550e0b3adfa4bbd3b8b2211",
            ),
        ),
        dead=(
            "http://www.vision.caltech.edu/Image_Datasets/Caltech101 of CoOp's page: use "
            "data.caltech.edu",
            _DRIVE,
        ),
        table="Caltech101",
        templates="caltech101",
        notes=(_NOT_COOP,),
    ),
    Entry(
        name="oxford-flowers",
        title="Oxford Flowers",
        description="Photos of flowers in bloom, 102 species common in the United Kingdom.",
        classes="oxford-flowers",
        layout=_coop(
            "oxford_flowers",
            "jpg",
            "OxfordFlowers",
            "71020e10bfcba65f5a61fc967e5e57f303adfd13b266d3ad3b743425a433388c",
        ),
        train=4_093,
        test=2_463,
        hub=HubCopy(
            repository="mteb/oxford-flowers",
            revision="df976877feae05654b0fcd8b394baff731b00652",
        ),
        torchvision=Torchvision(
            name="Flowers102", train=_TRAIN, test=_TEST, needs="flowers-102/setid.mat"
        ),
        downloads=(
            Download(
                url=f"{_OXFORD}/flowers/102/102flowers.tgz",
                into="oxford_flowers",
                md5="52808999861908f626f3c1f4e79d11fa",
            ),
            _split(
                "oxford_flowers",
                "flo",
                345_727,
                "500379c68fc4dee0443adaa08ca359e8c3cf37cd0fc3e579cb7e04de09a1d223",
            ),
        ),
        dead=(_DRIVE,),
        table="Oxford Flowers",
        templates="flowers",
        foci=True,
        notes=(_NOT_COOP,),
    ),
    Entry(
        name="oxford-pets",
        title="Oxford Pets",
        description="Photos of cats and dogs, 37 breeds.",
        classes="oxford-pets",
        layout=_coop(
            "oxford_pets",
            "images",
            "OxfordPets",
            "fd5e0f2a21d99137048f42fa8810deca0b2e5b7ae02b9f7e3d79d4f43b824c5b",
        ),
        train=2_944,
        test=3_669,
        hub=HubCopy(
            repository="mteb/OxfordPets", revision="557b480fae8d69247be74d9503b378a09425096f"
        ),
        torchvision=Torchvision(
            name="OxfordIIITPet",
            train={"split": "trainval"},
            test=_TEST,
            files="_images",
            needs="oxford-iiit-pet/annotations",
        ),
        downloads=(
            Download(
                url=f"{_OXFORD}/pets/data/images.tar.gz",
                into="oxford_pets",
                md5="5c4f3ee8e5d25df40f4fd59a7f44e54c",
            ),
            _split(
                "oxford_pets",
                "oxford_pets",
                344_050,
                "bafd038b31655446547722b2d13c87cc0f624c11dbc29e093470394095be221c",
            ),
        ),
        dead=(_DRIVE,),
        table="Oxford Pets",
        templates="pets",
        foci=True,
        notes=("all copies have one test split, of 3,669 images",),
    ),
    Entry(
        name="stanford-cars",
        title="Stanford Cars",
        description="Photos of cars, 196 models by year, make and type.",
        classes="stanford-cars",
        layout=_coop(
            "stanford_cars",
            "",
            "StanfordCars",
            "58480eed6c99ba8c45f4668947e4747b3a0c400abc5dd6bf2bb03ff482da4bc9",
        ),
        train=6_509,
        test=8_041,
        hub=HubCopy(
            repository="mteb/StanfordCars", revision="09ffe9bc7864d3f1e851529e5c4b7e05601a04fb"
        ),
        torchvision=Torchvision(
            name="StanfordCars",
            train=_TRAIN,
            test=_TEST,
            files="_samples",
            labels="",
            needs="stanford_cars/devkit",
        ),
        downloads=(
            _split(
                "stanford_cars",
                "stanford_cars",
                1_006_832,
                "c7f80a56f8117c651fbbf747023ab960038ebc534a260267ed030fca17b48297",
            ),
        ),
        steps=(
            "the images are to be had without a browser from the hub only: --set data.source=hub; "
            "or follow https://github.com/pytorch/vision/issues/7545 (a copy on Kaggle) to "
            "stanford_cars/cars_train and stanford_cars/cars_test",
        ),
        dead=(
            "ai.stanford.edu/~jkrause/cars, of CoOp's page; torchvision downloads it no more",
            _DRIVE,
        ),
        table="Stanford Cars",
        templates="cars",
        notes=("all copies have one test split, of 8,041 images",),
    ),
    Entry(
        name="dtd",
        title="DTD",
        description="Close-ups of textures and patterns in the wild, 47 adjectives that describe "
        "them.",
        classes="dtd",
        layout=_coop(
            "dtd",
            "images",
            "DescribableTextures",
            "0476e1f0da7de83947cc28364fadfbbd8ca1f73971549a354ab890910f434555",
        ),
        train=2_820,
        test=1_692,
        hub=HubCopy(repository="mteb/dtd", revision="96726183040de9e64a590d08eaac8de940dfcbdf"),
        torchvision=Torchvision(name="DTD", train=_TRAIN, test=_TEST, needs="dtd/dtd/labels"),
        downloads=(
            Download(
                url=f"{_OXFORD}/dtd/download/dtd-r1.0.1.tar.gz",
                into="",
                md5="fff73e5086ae6bdbea199a49dfb8a4c1",
            ),
            _split(
                "dtd",
                "dtd",
                271_622,
                "00c0772005195b846ab8e693b9d362527583a0b407823ddad40346324a174536",
            ),
        ),
        dead=(_DRIVE,),
        table="DTD",
        templates="dtd",
        notes=(_NOT_COOP,),
    ),
    Entry(
        name="food-101",
        title="Food-101",
        description="Photos of dishes and meals as people share them, 101 dishes.",
        classes="food-101",
        layout=_coop(
            "food-101",
            "images",
            "Food101",
            "75a0aeb20c52002066dcc5a3495a289cfe23964a119d50bd7b57143bb8161226",
        ),
        train=50_500,
        test=30_300,
        hub=HubCopy(
            repository="mteb/food101",
            revision="7cca05bfde8fdad4a9b39ed14a881c800cc1dca2",
            test="validation",
        ),
        torchvision=Torchvision(name="Food101", train=_TRAIN, test=_TEST, needs="food-101/meta"),
        downloads=(
            Download(
                url="http://data.vision.ee.ethz.ch/cvl/food-101.tar.gz",
                into="",
                md5="85eeb15f3717b99a5da872d97d918f87",
            ),
            _split("food-101", "food101"),
        ),
        dead=(_DRIVE,),
        table="Food-101",
        templates="food101",
        foci=True,
        notes=(_NOT_COOP,),
    ),
    Entry(
        name="sun397",
        title="SUN397",
        description="Photos of indoor and outdoor scenes and places, 397 kinds.",
        classes="sun397",
        layout=_coop(
            "sun397",
            "SUN397",
            "SUN397",
            "79502bc02a30165d68c419cb52e8a63f094ef9c57c5828feffdb6f53a39a5ced",
        ),
        train=15_880,
        test=19_850,
        hub=HubCopy(repository="mteb/sun397", revision="c684cff33166060e2ae05525a5c4abdf5e6d7bce"),
        torchvision=Torchvision(name="SUN397", train={}, test={}, needs="SUN397/ClassName.txt"),
        downloads=(
            _split(
                "sun397",
                "sun397",
                2_651_762,
                "40da2b1c4e5d50fbbcade1d34bcc39e06106eaeb2a2811820beff2d052ed734b",
            ),
        ),
        steps=(
            "the images are to be had from the hub: --set data.source=hub; where you have "
            "SUN397.tar.gz (md5 8ca2778205c41d23104230ba66911c7a), unpack it into sun397/",
        ),
        dead=(
            "vision.princeton.edu/projects/2010/SUN, of CoOp's page and of torchvision "
            "(github.com/KaiyangZhou/CoOp/issues/90)",
            _DRIVE,
        ),
        table="SUN397",
        templates="sun397",
        notes=(_NOT_COOP,),
    ),
    Entry(
        name="ucf101",
        title="UCF101",
        description="Middle frames of videos of people doing something, 101 actions: sports, "
        "music, housework and the like.",
        classes="ucf101",
        layout=_coop(
            "ucf101",
            "UCF-101-midframes",
            "UCF101",
            "9c819fb7cff4397ae903bc765e031a83d5657fb86b50a997ef8ca6a7606b0a01",
        ),
        train=7_639,
        test=3_783,
        downloads=(
            _split(
                "ucf101",
                "ucf101",
                866_219,
                "c62263f9790d88f9fc63646e06ed9ce8e04418de884b97d7d04e62c475cc75f2",
            ),
        ),
        steps=(
            "the middle frames, UCF-101-midframes.zip, are on Google Drive only, linked from "
            "https://github.com/KaiyangZhou/CoOp/blob/main/DATASETS.md: download it in a browser "
            "and unpack it into ucf101/",
        ),
        dead=(_DRIVE,),
        table="UCF101",
        notes=("the hub's copies have all frames or the videos, which is another data set",),
    ),
    Entry(
        name="eurosat",
        title="EuroSAT",
        description="Small satellite images of European land (Sentinel-2), 10 kinds of land use "
        "and cover.",
        classes="eurosat",
        layout=_coop(
            "eurosat",
            "2750",
            "EuroSAT",
            "2796e303d11413151d9a14a9cd4dc18309c1aa22e9f7d7b0a1983e6ab65cc92c",
        ),
        train=13_500,
        test=8_100,
        hub=HubCopy(
            repository="mteb/eurosat-rgb",
            revision="da02b77448e750b3b034e0b5da008167b9706571",
            unverified="whether its labels have names; they are taken to be in alphabetical order",
            classes=(
                *("AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial"),
                *("Pasture", "PermanentCrop", "Residential", "River", "SeaLake"),
            ),
        ),
        torchvision=Torchvision(
            name="EuroSAT", train={}, test={}, files="samples", labels="", needs="eurosat/2750"
        ),
        downloads=(
            Download(
                url="https://huggingface.co/datasets/torchgeo/eurosat/resolve/"
                "c877bcd43f099cd0196738f714544e355477f3fd/EuroSAT.zip",
                into="eurosat",
                md5="c8fa014336c82ac7804f0398fcb19387",
            ),
            _split(
                "eurosat",
                "euro_sat",
                1_746_492,
                "a00aa6347679a46b22a14035a52da2b2c2228dfb100680a6bb0e455410813241",
            ),
        ),
        dead=("http://madm.dfki.de/files/sentinel/EuroSAT.zip of CoOp's page", _DRIVE),
        table="EuroSAT",
        templates="eurosat",
        notes=(_NOT_COOP,),
    ),
)
