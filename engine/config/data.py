"""The table ``data``: which labelled images templates are scored on."""

from typing import Literal

from pydantic import Field

from engine.config.section import MOST, Given, Section

DataSource = Literal["auto", "folder", "webdataset", "torchvision", "hub"]


class DataConfig(Section):
    """Which labelled images the templates are scored on."""

    dataset: Given = Field(
        "image-folder",
        description="a registered dataset (see `glov datasets`), or image-folder with `path`",
    )
    path: Given | None = Field(
        None,
        description="folder with one folder of images per class, in train/ and test/ or split "
        "here; of questions their file; of a known data set the folder that it is in, or all are "
        "(default: $GLOV_DATA_DIR)",
    )
    source: DataSource = Field(
        "auto",
        description="of which form a known data set is read: folder (CoOp's), webdataset (tars), "
        "torchvision, hub (through `datasets`, downloaded at first use), or auto, the first of the "
        "others that is there (`glov datasets NAME`)",
    )
    options: Given | None = Field(
        None,
        description="JSON file with four options for each image, as FOCI's (vlm.answer = choice); "
        "default: three other classes, drawn",
    )
    name: str | None = Field(
        None, description="name shown to the LLM; default: dataset.toml's, or the folder's name"
    )
    description: str | None = Field(
        None, description="one or two sentences on the images, shown to the LLM"
    )
    clean_names: bool = Field(
        False,
        description="write folders' names as words: AnnualCrop as annual crop, "
        "001.Black_footed_Albatross as Black footed Albatross (image-folder)",
    )
    shots: int = Field(1, ge=1, le=MOST, description="labelled training images per class")
    sample_seed: int | None = Field(
        None, ge=0, lt=2**63, description="seed of the few-shot sample; default: the run's seed"
    )
    labelled_classes: int | None = Field(
        None,
        ge=2,
        le=MOST,
        description="sub-shot: label only this many classes, chosen by the seed",
    )
    test_fraction: float = Field(
        0.5, gt=0, lt=1, description="share kept for testing where the folder has no test split"
    )
