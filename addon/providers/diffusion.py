"""Images and sound of Fireworks, Hyperbolic and Novita by APIs of their own: charged by the steps that an image takes.

How many steps that is only the request says, and it may leave them to the model: then the call has no price.
"""

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Final

from addon.providers import media
from addon.providers.fields import at, count, error_type, items, string
from addon.providers.model import Asked, Json, Operation, Reading

_FIREWORKS_MODEL: Final = r"(?P<model>accounts/[^/]+/models/[^/]+)"
# Of Novita's endpoints, which are named after models: minimax-video-01, wan-t2v, kling-v1.6-i2v, minimax-speech-02-hd.
_VIDEO: Final = r"[^/]*(?:video|[itv]2v|kling|vidu|seedance|hailuo|pixverse)[^/]*"
_SOUND: Final = r"[^/]*(?:speech|tts|voice|glm-asr)[^/]*"


def _read_images(body: Json) -> Reading:
    """Fireworks: `[{base64, finishReason, seed}]`; Hyperbolic: `{images: [{image}]}`; Novita: `{images: [{image_url}],
    task: {task_id}}`. An answer that is an image has no members."""
    made = items(body) or items(at(body, "images"))
    return Reading(
        response_id=string(at(body, "task", "task_id")),
        finish_reasons=tuple(word for one in items(body) if (word := string(at(one, "finishReason")))),
        units={"images": Decimal(len(made))} if made else {},
        error_type=error_type(body),
    )


def _by_steps(reading: Reading, asked: Asked) -> Reading:
    """Fireworks charges a step of an image, whatever its size."""
    return _with_unit(reading, "image_steps", _steps(asked.body), asked.body)


def _by_pixel_steps(reading: Reading, asked: Asked) -> Reading:
    """Novita and Hyperbolic charge width x height x steps."""
    sides = [count(at(asked.body, name)) for name in ("width", "height")]
    each = [*sides, _steps(asked.body)]
    return _with_unit(reading, "image_pixel_steps", _product(each), asked.body)


def _with_unit(reading: Reading, unit: str, of_each: int | None, request: Json) -> Reading:
    if reading.error_type:
        return reading
    asked_for = (count(at(request, name)) for name in ("samples", "image_num", "num_images"))
    number = reading.units.get("images") or next((Decimal(n) for n in asked_for if n), Decimal(1))
    return replace(reading, units={unit: None if of_each is None else number * of_each})


def _steps(request: Json) -> int | None:
    return next((n for name in ("num_inference_steps", "steps") if (n := count(at(request, name)))), None)


def _product(factors: list[int | None]) -> int | None:
    result = 1
    for factor in factors:
        if factor is None:
            return None
        result *= factor
    return result


def _read_job(body: Json) -> Reading:
    """`{request_id}` or `{task_id}`: it is made later, and looked at for nothing."""
    name = string(at(body, "request_id")) or string(at(body, "task_id"))
    return Reading(response_id=name, error_type=error_type(body))


def _one_image(reading: Reading, _asked: Asked) -> Reading:
    return reading if reading.error_type else replace(reading, units={"images": Decimal(1)})


def _unknown_units(unit: str) -> Callable[[Reading, Asked], Reading]:
    """How much is made is in no answer."""

    def with_request(reading: Reading, _asked: Asked) -> Reading:
        return reading if reading.error_type else replace(reading, units={unit: None})

    return with_request


def _image(
    path: str,
    read_json: Callable[[Json], Reading],
    with_request: Callable[[Reading, Asked], Reading],
    name: str = "image_generation",
) -> Operation:
    return Operation(name=name, path=f"{path}/?", read_json=read_json, with_request=with_request)


# Paths as in fireworks-image-model.ts of npm's @ai-sdk/fireworks 2.0.90. A model that edits gives a `request_id`.
FIREWORKS: Final = (
    _image(rf"(?:/inference)?/v1/workflows/{_FIREWORKS_MODEL}/(?:text_to_image|control_net)", _read_images, _by_steps),
    _image(
        rf"(?:/inference)?/v1/image_generation/{_FIREWORKS_MODEL}(?:/(?:image_to_image|control_net))?",
        _read_images,
        _by_steps,
    ),
    _image(rf"(?:/inference)?/v1/workflows/{_FIREWORKS_MODEL}", _read_job, _one_image),
)

# https://docs.hyperbolic.xyz/docs/image-generation-apis, .../audio-generation-apis; bodies as its many callers send them.
HYPERBOLIC: Final = (
    _image("/v1/image/generation", _read_images, _by_pixel_steps),
    _image("/v1/audio/generation", lambda body: Reading(error_type=error_type(body)), media.of_speech, "speech"),
)

# https://novita.ai/docs/api-reference: an endpoint for each model. Paths as in the SDKs (novita-client 0.7.1 of PyPI,
# novita-sdk 3.1.3 of npm) and in providers/novita.ts of npm's @huggingface/inference 4.13.30.
NOVITA: Final = (
    _image(r"/v3beta/(?P<model>flux-1-schnell)", _read_images, _by_pixel_steps),
    _image(
        rf"/v3(?:beta)?/(?:async/)?(?P<model>{_VIDEO})", _read_job, _unknown_units("video_seconds"), "video_generation"
    ),
    _image("/v3/minimax/v2/video_generation", _read_job, _unknown_units("video_seconds"), "video_generation"),
    _image(rf"/v3(?:beta)?/(?:async/)?(?P<model>{_SOUND})", _read_job, media.of_speech, "speech"),
    _image(r"/v3(?:beta)?/async/(?P<model>[^/]+)", _read_job, _unknown_units("images")),
    _image(r"/v3/(?P<model>seedream-[^/]+)", _read_images, lambda reading, _asked: reading),
    _image(
        "/v3/(?:cleanup|remove-background|remove-text|replace-background|reimagine|merge-face|outpainting)",
        _read_job,
        _one_image,
        "image_edit",
    ),
)
