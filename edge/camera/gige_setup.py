"""A GigE camera as its settings want it: nothing automatic, nothing guessed.

A camera that does not take a setting is refused by name: a frame of other light or another region
than the model learnt from is worse than none.
"""

from typing import Any

from edge.camera.aravis import aravis, failure
from edge.config import GigeSettings
from edge.core.errors import CameraLost

NEAR = 0.05  # a camera rounds exposure and gain to its own steps
AUTOMATIC = ("ExposureAuto", "GainAuto", "BalanceWhiteAuto")


def configure(camera: Any, settings: GigeSettings) -> None:
    """Set everything, then read back what matters. Raises CameraLost."""
    for name, step in (
        ("pixel_format", _pixel_format),
        ("region", _region),
        ("exposure_us, gain_db", _exposure),
        ("trigger", _trigger),
        ("features", _features),  # after the frame's trigger, which switches all others off
        ("linescan.encoder_chunk", _chunks),
        ("packet_bytes", _packets),
    ):
        try:
            step(camera, settings)
        except failure() as error:
            raise CameraLost(f"the camera refuses camera.gige.{name}: {error}") from error


def _pixel_format(camera: Any, settings: GigeSettings) -> None:
    there = camera.dup_available_pixel_formats_as_strings()
    if settings.pixel_format not in there:
        raise CameraLost(
            f"camera.gige.pixel_format = {settings.pixel_format!r}: this camera has "
            f"{', '.join(sorted(there))}"
        )
    camera.set_pixel_format_from_string(settings.pixel_format)


def _region(camera: Any, settings: GigeSettings) -> None:
    region = settings.region
    if region is None:
        camera.set_region(0, 0, *camera.get_sensor_size())
        return
    wanted = (region.x_px, region.y_px, region.w_px, region.h_px)
    size = camera.get_sensor_size()
    height_px = size.height if settings.linescan is None else camera.get_height_bounds().max
    if region.x_px + region.w_px > size.width or region.y_px + region.h_px > height_px:
        sensor = f"the sensor of {size.width}x{height_px}"
        raise CameraLost(f"camera.gige.region: {wanted} lies outside {sensor}")
    camera.set_region(*wanted)
    found = camera.get_region()
    got = (found.x, found.y, found.width, found.height)
    if got != wanted:
        raise CameraLost(f"camera.gige.region: asked for {wanted}, the camera takes {got}")


def _exposure(camera: Any, settings: GigeSettings) -> None:
    device = camera.get_device()
    for feature in AUTOMATIC:
        if device.is_feature_available(feature):
            device.set_string_feature_value(feature, "Off")
    if settings.exposure_us is not None:
        _refuse_outside("exposure_us", settings.exposure_us, camera.get_exposure_time_bounds())
        camera.set_exposure_time(settings.exposure_us)
        _check("exposure_us", settings.exposure_us, camera.get_exposure_time())
    if settings.gain_db is not None:
        _refuse_outside("gain_db", settings.gain_db, camera.get_gain_bounds())
        camera.set_gain(settings.gain_db)
        _check("gain_db", settings.gain_db, camera.get_gain())


def _refuse_outside(name: str, wanted: float, bounds: Any) -> None:
    if not bounds.min <= wanted <= bounds.max:
        raise CameraLost(
            f"camera.gige.{name} = {wanted:g}: this camera takes {bounds.min:g} to {bounds.max:g}"
        )


def _check(name: str, wanted: float, got: float) -> None:
    if abs(got - wanted) > NEAR * max(1.0, wanted):
        raise CameraLost(f"camera.gige.{name}: asked for {wanted:g}, the camera takes {got:g}")


def _features(camera: Any, settings: GigeSettings) -> None:
    device = camera.get_device()
    for name, value in settings.features.items():
        if not device.is_feature_available(name):
            raise CameraLost(f"camera.gige.features: this camera has no {name}")
        match value:
            case bool():
                device.set_boolean_feature_value(name, value)
            case int():
                device.set_integer_feature_value(name, value)
            case float():
                device.set_float_feature_value(name, value)
            case _:
                device.set_string_feature_value(name, value)


def _trigger(camera: Any, settings: GigeSettings) -> None:
    camera.set_acquisition_mode(aravis().AcquisitionMode.CONTINUOUS)
    if settings.trigger == "free":
        camera.clear_triggers()
    else:
        camera.set_trigger(settings.trigger)


def _chunks(camera: Any, settings: GigeSettings) -> None:
    wanted = None if settings.linescan is None else settings.linescan.encoder_chunk
    if wanted is None:
        return
    if not camera.are_chunks_available():
        raise CameraLost(
            "camera.gige.linescan.encoder_chunk: this camera has no chunks; leave it out, and "
            "lines are counted"
        )
    camera.set_chunks(wanted)


def _packets(camera: Any, settings: GigeSettings) -> None:
    if settings.packet_bytes is not None:
        camera.gv_set_packet_size(settings.packet_bytes)
