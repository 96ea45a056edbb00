"""Everything Linegate raises on purpose.

LinegateError
├── ConfigError            a file the user wrote is wrong: says which, where and how to mend it
├── CameraError
│   ├── CameraTimeout      no frame in time; the same camera may be asked again
│   ├── CameraFrozen       it delivers, but always the same frame
│   └── CameraLost         the camera is gone and must be reopened
├── PredictorError
│   ├── PredictorUnavailable   no answer in time, or no server
│   └── BadPrediction          an answer that is not one: NaN, wrong shape, out of range
├── ModelRefused           a bundle or ONNX file is broken, foreign or too large
├── GpioError              the lines of the GPIO chip cannot be had
├── MessageRefused         an inbound message is not of its schema
└── StoreError
    └── NotDurable         the disk did not take a record; nothing was written
"""


class LinegateError(Exception):
    """Base of all errors that a command reports in one sentence instead of a traceback."""


class ConfigError(LinegateError):
    pass


class CameraError(LinegateError):
    pass


class CameraTimeout(CameraError):
    pass


class CameraFrozen(CameraError):
    pass


class CameraLost(CameraError):
    pass


class PredictorError(LinegateError):
    pass


class PredictorUnavailable(PredictorError):
    pass


class BadPrediction(PredictorError):
    pass


class ModelRefused(LinegateError):
    pass


class GpioError(LinegateError):
    pass


class MessageRefused(LinegateError):
    pass


class StoreError(LinegateError):
    pass


class NotDurable(StoreError):
    pass
