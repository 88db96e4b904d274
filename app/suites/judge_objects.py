"""Objects from four pictures by the network that comes with the program, against the truth."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from app.chosen_weights import weights_file
from app.files import write_whole
from app.weights import load_network
from engine.core.arrays import U8
from engine.core.faults import BadInput, CannotWrite
from engine.core.news import Progress
from engine.evaluation.objects import PROTOCOL, JudgedObject, judge_object, mean_score
from engine.nets.gtr.model import Gtr
from engine.runtime.progress import run_job
from engine.synth.bank import build_bank
from engine.synth.thing_views import HELD_OUT_THINGS

SHOWN_VIEWS = 2
CAPTION_PX = 16
CAPTIONS = ("input", "input", "input", "input") + ("truth", "ours", "refined") * SHOWN_VIEWS


def judge_objects(
    on_progress: Callable[[Progress], object],
    count: int = HELD_OUT_THINGS,
    weights: str | None = None,
    sheet: Path | None = None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Return means over held-out objects, and the same for each in `rows`.

    Keys: `psnr_db`, `ssim`, `refined_psnr_db`, `refined_ssim`, `chamfer_m` (in half edges of the
    object's box), `watertight`, `seconds` (processor time an object), `protocol`.

    Raises:
        BadInput: not that many objects, or the weights are no GTR's.
        MissingPart: no weights are installed.
        CannotWrite: the sheet cannot be written.
    """
    if not 1 <= count <= HELD_OUT_THINGS:
        raise BadInput(
            f"There are {HELD_OUT_THINGS} objects to judge by, not {count}.",
            f"Use 1 to {HELD_OUT_THINGS}.",
        )
    network = load_network(weights_file(weights, "gtr"), "gtr")
    assert isinstance(network, Gtr)
    bank = build_bank(held_out=True)
    judged = []
    for number in range(count):
        on_progress(Progress("objects", number, count))
        judged.append(run_job(judge_object(network, number, bank), lambda _: None, is_cancelled))
    on_progress(Progress("objects", count, count))
    if sheet is not None:
        _write(sheet, np.vstack([_captions(judged[0].inputs[0]), *map(_row, judged)]))
    rows = [{"name": f"object {n}", **_named(one.score)} for n, one in enumerate(judged)]
    mean = mean_score([one.score for one in judged])
    return {**_named(mean), "protocol": PROTOCOL, "rows": rows}


def _named(score: object) -> dict[str, Any]:
    values = asdict(score)  # type: ignore[call-overload]
    values["chamfer_m"] = values.pop("chamfer")
    return dict(values)


def _row(judged: JudgedObject) -> U8:
    shown = [picture for triple in judged.triples[:SHOWN_VIEWS] for picture in triple]
    return np.hstack([*judged.inputs, *shown])


def _captions(like: U8) -> U8:
    strips = []
    for words in CAPTIONS:
        strip = np.full((CAPTION_PX, like.shape[1], 3), 255, np.uint8)
        cv2.putText(strip, words, (4, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1)
        strips.append(strip)
    return np.hstack(strips)


def _write(path: Path, picture: U8) -> None:
    good, data = cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))
    if not good:
        raise CannotWrite(f"{path} cannot be written as a picture.", "Name another place.")
    write_whole(path, data.tobytes())
