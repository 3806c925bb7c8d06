"""The configuration of a run: what a TOML file may say, with units, defaults and allowed values.

It knows names, types and ranges, of tables that are longer in files of their own (``section``,
``data``, ``llm``, ``asking``). It loads no model, no data and no heavy library.
Reading and writing TOML is in ``engine.config.toml_file``.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from engine.common.names import readable_name
from engine.config.asking import ProposalConfig, SamplingConfig
from engine.config.data import DataConfig
from engine.config.llm import DeviceMap, LLMConfig, Quantization
from engine.config.section import MOST, Given, Section

SearchKind = Literal["glov", "random", "llm-opt", "s-temp", "ds-temp"]
SteeringMode = Literal[
    "last-token",
    "generated-tokens",
    "all-tokens",
    "actadd",
    "cross-attention",
    "cross-attention-all",
    "off",
]
Pooling = Literal["no-bos", "paper", "reference", "last"]
AlphaUnit = Literal["absolute", "relative"]
Answer = Literal["likelihood", "embedding", "choice", "refusal"]
LetterReading = Literal["likelihood", "parsed"]
JudgeKind = Literal["patterns", "llm"]
Select = Literal["greedy", "top"]
LikelihoodScore = Literal["raw", "per-token", "prior-corrected"]

PATH_KEYS = (
    "data.path",
    "data.options",
    "proposal.template_file",
    "llm.model",
    "vlm.model",
    "vlm.pretrained",
    "vlm.embedder",
    "vlm.judge_model",
)
"""Keys whose text is a path, or may be one."""


class VLMConfig(Section):
    """The vision-language model whose prompt template is optimised."""

    kind: Literal["dual-encoder", "encoder-decoder"] = Field(
        "dual-encoder",
        description="the family of the VLM: dual-encoder (CLIP and its like), or encoder-decoder "
        "(LLaVA and its like, whose templates are questions)",
    )
    model: Given = Field(
        "ViT-B-32-quickgelu",
        description="an open_clip model name, hf-hub:org/name, or a local open_clip folder "
        "(./dir); of an encoder-decoder a hub name or a folder of transformers",
    )
    pretrained: Given | None = Field(
        None, description="an open_clip pretrained tag (openai, laion2b_s34b_b79k) or a file"
    )
    device: Given = Field("auto", description="auto, cpu, cuda, cuda:N or mps")
    device_map: DeviceMap | None = Field(
        None, description="of an encoder-decoder: as llm.device_map; goes before device"
    )
    quantization: Quantization = Field(
        "none", description="of an encoder-decoder: as llm.quantization"
    )
    precision: Literal["auto", "fp32", "fp16", "bf16"] = Field(
        "auto", description="auto: fp16 on CUDA, fp32 elsewhere"
    )
    image_batch: int = Field(
        256,
        ge=1,
        le=MOST,
        description="images encoded at once; encoder-decoders take 32 at most, and a run pauses "
        "and stops between two batches",
    )
    prefix_gib: Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)] | Literal["auto"] = (
        Field(
            "auto",
            description="GiB of the device's memory in which an encoder-decoder keeps what it "
            "read of images (keys and values); auto: half of what is free",
        )
    )
    features_gib: float = Field(
        8.0,
        ge=0,
        le=MOST,
        allow_inf_nan=False,
        description="GiB of disk (with cache = true) for what an encoder-decoder's vision tower "
        "made of images that memory has no room for; 0: none",
    )
    shards: int = Field(
        1,
        ge=1,
        le=1024,
        description="processes over which the images of an encoder-decoder are spread, this one "
        "and others on Ray's cluster (RAY_ADDRESS, else this machine), each with the model",
    )
    trust_remote_code: bool = Field(
        False,
        description="run code that comes with an encoder-decoder; leave off unless you read it",
    )
    text_batch: int = Field(2048, ge=1, le=MOST, description="texts encoded at once")
    cache: bool = Field(True, description="keep image features and answers on disk for later runs")
    predictions_mib: int = Field(
        1024,
        ge=0,
        le=MOST,
        description="MiB of a run's folder for what templates made of each training image (2 "
        "bytes an image and class); where they are full, the worst templates' goes; as much again "
        "for test images that were measured; 0: none",
    )
    answer: Answer = Field(
        "likelihood",
        description="how an encoder-decoder's class of an image is read: the name that most likely "
        "begins its answer (likelihood), the name nearest to the answer that it writes "
        "(embedding; the paper's), or the letter of one of four options (choice; FOCI); or whether "
        "it declines a harmful question (refusal, with data.dataset = questions)",
    )
    embedder: Given = Field(
        "sentence-transformers/all-mpnet-base-v2",
        description="the sentence-transformers model that compares answers with class names "
        "(answer = embedding): a hub name or a folder",
    )
    max_new_tokens: int = Field(
        50, ge=1, le=4096, description="longest answer that an encoder-decoder writes, in tokens"
    )
    letters: LetterReading = Field(
        "likelihood",
        description="how the letter of an option is read: the most likely one (likelihood), or the "
        "one that the written answer names (parsed; an answer that names none counts as wrong)",
    )
    judge: JudgeKind = Field(
        "patterns",
        description="what tells that an answer declines: a list of English patterns, or an LLM",
    )
    judge_model: Given | None = Field(
        None, description="the local LLM that judges (judge = llm); default: the one that proposes"
    )
    likelihood: LikelihoodScore = Field(
        "raw",
        description="how an encoder-decoder's classes are compared: by the likelihood that its "
        "answer begins with the class name (raw), by that of each token (per-token), or by how "
        "much the image adds to it (prior-corrected)",
    )


def _check_layers(value: Any) -> Any:
    layers = (value,) if isinstance(value, int) else value
    if value == "auto" or (
        isinstance(layers, list | tuple)
        and layers
        and all(isinstance(n, int) and not isinstance(n, bool) and 0 <= n < MOST for n in layers)
    ):
        return layers
    raise ValueError('should be "auto", a 0-based layer such as 17, or a list such as [15, 17]')


Layers = Annotated[tuple[int, ...] | Literal["auto"], BeforeValidator(_check_layers)]


Alpha = Annotated[float, Field(ge=-1000, le=1000, allow_inf_nan=False)]


class SearchConfig(Section):
    """Which search makes the steps of the run."""

    kind: SearchKind = Field(
        "glov",
        description="glov (examples of the whole run, and steering), llm-opt (the last step's "
        "examples only, never steered), random (the first question again in every step); or no "
        "search at all, to compare with: the seed template (s-temp), or the data set's own "
        "templates ensembled (ds-temp)",
    )
    templates: tuple[Given, ...] | None = Field(
        None,
        min_length=1,
        description="what ds-temp ensembles; default: OpenAI's templates for the data set "
        "(docs/reproduce.md says where they come from)",
    )
    racing: bool = Field(
        False,
        description="try templates on growing parts of the training images, and drop what is "
        "surely worse than the best (docs/glov.md, 9); saves time with an encoder-decoder",
    )


class SteeringConfig(Section):
    """How the LLM's hidden states are moved from P- to P+ (docs/glov.md, 4)."""

    mode: SteeringMode = Field(
        "last-token",
        description="last-token (the paper's, exact), generated-tokens (a plain hook), "
        "all-tokens, actadd, cross-attention (last token), cross-attention-all, or off",
    )
    layers: Layers = Field(
        "auto", description="0-based decoder layers; auto: the one at 17/32 of the depth"
    )
    alpha: Alpha | Literal["auto"] = Field(
        1.0,
        description="factor on the offset; auto: the run finds the best of `alphas` as it goes",
    )
    alphas: tuple[Alpha, ...] = Field(
        (0.25, 0.5, 0.75, 1.0), min_length=1, description="what alpha = auto chooses from"
    )
    alpha_unit: AlphaUnit = Field(
        "absolute",
        description="absolute: alpha times the offset; relative: the offset is given alpha times "
        "the norm of the hidden state that it is added to",
    )
    pool: Pooling = Field(
        "no-bos",
        description="hidden state of a template: mean over its own tokens, behind a BOS (or EOS) "
        "that is put there if the tokenizer adds none and takes the attention sink (no-bos), over "
        "all that the tokenizer gives (paper, equation 3), the same padded to one length "
        "(reference), or the last token's (last)",
    )

    @field_validator("alphas", mode="before")
    @classmethod
    def _listed(cls, alphas: Any) -> Any:
        is_number = isinstance(alphas, int | float) and not isinstance(alphas, bool)
        return (alphas,) if is_number else alphas

    @field_validator("alphas")
    @classmethod
    def _distinct(cls, alphas: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(alphas)) < len(alphas):
            raise ValueError(f"{list(alphas)} names an alpha twice")
        return alphas


class EvaluationConfig(Section):
    """What is measured on the test split. The search itself never sees it."""

    ensemble: int = Field(3, ge=1, le=MOST, description="templates ensembled on the test split")
    select: Select = Field(
        "greedy",
        description="which templates are ensembled: one after the other that which helps the "
        "others most on the training images, repeats allowed, of the 200 best (greedy), or the "
        "best by themselves (top; the paper's)",
    )
    every: int = Field(
        0,
        ge=0,
        le=MOST,
        description="measure the test ensemble every so many steps; 0: at the end only",
    )
    best_every: int = Field(
        0,
        ge=0,
        le=MOST,
        description="measure the best template on the test split every so many steps, for you to "
        "see while the run goes on; 0: at the end only",
    )


class RunConfig(Section):
    """Everything that a run is determined by, with the machine and the library versions."""

    name: str = Field("run", min_length=1, max_length=80, description="names the run directory")
    seed: int = Field(
        0, ge=0, lt=2**63, description="seed of all replies, and of the few-shot sample"
    )
    steps: int = Field(100, ge=0, le=MOST, description="optimisation steps")
    seed_template: Given | None = Field(
        None, description="the template that the run starts from; default: the VLM's own"
    )
    data: DataConfig = DataConfig()
    vlm: VLMConfig = VLMConfig()
    llm: LLMConfig = LLMConfig()
    sampling: SamplingConfig = SamplingConfig()
    search: SearchConfig = SearchConfig()
    proposal: ProposalConfig = ProposalConfig()
    steering: SteeringConfig = SteeringConfig()
    evaluation: EvaluationConfig = EvaluationConfig()

    @property
    def sample_seed(self) -> int:
        """What the labelled images are drawn with: ``data.sample_seed``, else the run's seed."""
        return self.seed if self.data.sample_seed is None else self.data.sample_seed

    @model_validator(mode="before")
    @classmethod
    def _is_text(cls, values: Any) -> Any:
        for key, text in _texts(values):
            if readable_name(text) != text:
                mend = (
                    "give the file or folder another name"
                    if key in PATH_KEYS
                    else "type it in UTF-8 (`locale` says what the terminal writes), or write it "
                    "in a TOML file"
                )
                raise ValueError(
                    f"{key} = {readable_name(text)}: there are bytes in it that are no UTF-8, "
                    f"which a run's journal can't hold; {mend}"
                )
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problem = self.llm.problem()
        if problem is not None:
            raise ValueError(problem)
        if self.proposal.min_new > self.proposal.candidates:
            raise ValueError(
                f"proposal.min_new is {self.proposal.min_new}; it can be at most "
                f"proposal.candidates ({self.proposal.candidates})"
            )
        if self.data.dataset == "image-folder" and not (self.data.path or "").strip():
            raise ValueError(
                "data.path is missing; give the folder with your images "
                "(root/<class>/*), or choose data.dataset from `glov datasets`"
            )
        if self.search.templates is not None and self.search.kind != "ds-temp":
            raise ValueError(
                "search.templates are what ds-temp ensembles, and search.kind is "
                f"{self.search.kind}; leave them out, or set search.kind = ds-temp"
            )
        self._check_answer()
        if self.vlm.trust_remote_code and self.vlm.kind != "encoder-decoder":
            raise ValueError(
                f"vlm.trust_remote_code is true, and no code that comes with a {self.vlm.kind} is "
                "ever run; leave it out, or set vlm.kind = encoder-decoder"
            )
        return self

    def _check_answer(self) -> None:
        answer, dataset = self.vlm.answer, self.data.dataset
        if answer != "likelihood" and self.vlm.kind != "encoder-decoder":
            raise ValueError(
                f"vlm.answer is {answer}, but vlm.kind is {self.vlm.kind}, which writes no answer; "
                "set vlm.kind = encoder-decoder"
            )
        if (answer == "refusal") != (dataset == "questions"):
            raise ValueError(
                f"vlm.answer is {answer} and data.dataset is {dataset}: harmful questions "
                "(data.dataset = questions) are there to be declined (vlm.answer = refusal), and "
                "nothing else is"
            )


def _texts(values: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """All texts in nested tables, by dotted key."""
    if not isinstance(values, Mapping):
        return
    for key, value in values.items():
        if isinstance(value, str):
            yield f"{prefix}{key}", value
        else:
            yield from _texts(value, f"{prefix}{key}.")
