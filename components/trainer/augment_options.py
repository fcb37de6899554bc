"""What ``trainer.augment`` may say: no TensorFlow, so that a configuration is checked before anything is loaded."""

import dataclasses
from collections.abc import Sequence

from components.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How images are varied in training, each batch anew.

    Attributes:
      flip: left and right are exchanged in half of the images.
      crop: each image is moved by up to so many pixels in each direction; what comes in from outside is 0, the mean
        colour.
    """

    flip: bool = False
    crop: int = 0

    @classmethod
    def of(cls, words: Sequence[str]) -> "Augmentation":
        """From ``flip`` and ``crop=<pixels>``.

        Raises:
          ConfigError: another word, a word twice, or no number of pixels.
        """
        names = [word.partition("=")[0] for word in words]
        for word, name in zip(words, names, strict=True):
            value = word.partition("=")[2]
            is_right = word == "flip" or (name == "crop" and value.isascii() and value.isdigit() and int(value) > 0)
            if not is_right or names.count(name) > 1:
                raise ConfigError(
                    f"trainer.augment must hold 'flip' and 'crop=<pixels>', each at most once, but has {word!r}."
                )
        crops = [int(word.partition("=")[2]) for word, name in zip(words, names, strict=True) if name == "crop"]
        return cls("flip" in words, sum(crops))
