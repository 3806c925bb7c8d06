"""A zero-shot classifier head: what the ensemble's texts are to the VLM, as one matrix.

``logits = normalise(image features) @ weight.T * logit_scale``, as the engine has them; see
``engine.vlm.dual_encoder.scoring``. The VLM is loaded for it, and no image is looked at.
"""

from __future__ import annotations

import json

from engine.analysis.export.exported import Exported, decision
from engine.common.errors import ModelError
from engine.common.generators import result_of
from engine.models import threads
from engine.placement.wanted import Wanted
from engine.run.contract import vlm_differences
from engine.storage.trust import check_trust


def write(run: Exported) -> bytes:
    """A safetensors file: ``weight`` (classes, d) float32, rows of length one, and
    ``logit_scale`` (1,) float32. Its metadata are texts, lists among them as JSON:
    ``class_names``, ``templates``, ``model``, ``pretrained``, ``weights``, ``run``.

    Raises:
        UserError: if the VLM is no dual encoder, can't be loaded, or is not that of the run.
    """
    config, models = run.config, run.state.models
    if config.vlm.kind != "dual-encoder":
        raise ModelError(
            "a classifier head is made of class embeddings, which a VLM that answers questions "
            f"has not (vlm.kind = {config.vlm.kind}); --format python writes a script for it"
        )
    if models is None:
        raise ModelError(f"{run.folder.name}: its models were not loaded yet, nor its classes read")
    chosen = decision(run)
    check_trust(run.folder, config, run.trusted, sections=("vlm",))
    threads.prepare()
    import torch
    from safetensors.torch import save

    from engine.session.room import check_room
    from engine.vlm.dual_encoder.model import load_open_clip
    from engine.vlm.dual_encoder.scoring import ensemble_features
    from engine.vlm.dual_encoder.text_features import TextFeatures

    check_room(config, Wanted(llm=False), run.report)
    loaded = load_open_clip(config.vlm, run.report)
    now = {"vlm": loaded.name, "vlm_revision": loaded.revision, "vlm_weights": loaded.weights}
    differences = vlm_differences(models, now)
    if differences:
        raise ModelError(
            f"the head would not be that of the run: {'; '.join(differences)}. Put back what was "
            "there, or say where that is now (--set vlm.model=...)"
        )
    texts = TextFeatures(
        loaded.model,
        loaded.tokenizer,
        loaded.device,
        batch=config.vlm.text_batch,
        report=run.report,
    )
    each = {
        template: result_of(texts.encode(template, models.class_names))
        for template in dict.fromkeys(chosen.templates)
    }
    weight = ensemble_features(torch.stack([each[template] for template in chosen.templates]))
    tensors = {
        "weight": weight.float().cpu().contiguous(),
        "logit_scale": torch.tensor([loaded.logit_scale], dtype=torch.float32),
    }
    about = {
        "format": "glov zero-shot head 1",
        "class_names": json.dumps(models.class_names),
        "templates": json.dumps(chosen.templates),
        "model": config.vlm.model,
        "pretrained": config.vlm.pretrained or "",
        "weights": loaded.weights,
        "run": run.folder.resolve().name,
    }
    return bytes(save(tensors, metadata=about))
