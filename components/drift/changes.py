"""What a comparison of two sets of constants found, and how it ranks. NumPy only."""

import dataclasses

import numpy as np
import numpy.typing as npt

from components.constants import FeatureConstants, NormalizationConstants

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]

# Settings that a person may change without making the statistics another thing.
HARMLESS_SETTINGS = ("unit", "min_count")


@dataclasses.dataclass(frozen=True, eq=False)
class MomentsChange:
    """How the moments of one or more statistics changed; every array has the statistics' shape.

    Attributes:
      mean_shift: |mean after - mean before| in sigmas of before; 0 where the means are equal, infinite where they
        differ and before has no spread.
      mean_shift_error: standard error of the shift, sqrt(variance / n of before + the same of after), in sigmas of
        before: how far the means of two samples of one population are apart. Rows must be independent, and weights
        are left out of account.
      sigma_ratio: sigma after / sigma before; 1 where both are 0, infinite where only before is.
      sigma_ratio_error: standard error of the ratio, ratio * sqrt(1 / 2n of before + the same of after), which holds
        for values near a normal distribution. Heavy tails have a larger one.
      min_change, max_change: after - before, in the feature's unit.
    """

    mean_shift: Floats
    mean_shift_error: Floats
    sigma_ratio: Floats
    sigma_ratio_error: Floats
    min_change: Floats
    max_change: Floats

    @property
    def size(self) -> float:
        """The largest of mean shift and |ln sigma ratio|; 0 without any statistic. Only good for sorting."""
        with np.errstate(divide="ignore"):
            logarithms = np.abs(np.log(self.sigma_ratio))
        return float(max(np.max(self.mean_shift, initial=0.0), np.max(logarithms, initial=0.0)))


@dataclasses.dataclass(frozen=True, eq=False)
class KeysChange:
    """How a vocabulary, or the keys of a per-key feature, changed.

    Attributes:
      new, gone: keys on one side only, in that side's order.
      common: keys on both sides, in before's order.
      share_change: largest |share after - share before| of any key; a key that a side lacks has the share 0 there.
      moments: of the common keys, [len(common)]; None for a vocabulary.
    """

    new: tuple[bytes, ...]
    gone: tuple[bytes, ...]
    common: tuple[bytes, ...]
    share_change: float
    moments: MomentsChange | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class FeatureChange:
    """One feature in two sets of constants.

    Attributes:
      before, after: its constants.
      settings: values before and after of what the plans say differently (role, axis, dtype, shape, key, log1p,
        min_count, unit, and how an image is decoded), as texts.
      moments: None for a vocabulary, and where the two cannot be compared: another statistic's shape, or a logarithm
        on one side only.
      quartile_shift: |quartile after - quartile before| in sigmas of before, [3, *statistic_shape]; None unless both
        have quartiles and can be compared.
      keys: of a vocabulary or a per-key feature; None where one side has none.
    """

    before: FeatureConstants
    after: FeatureConstants
    settings: dict[str, tuple[str, str]]
    moments: MomentsChange | None
    quartile_shift: Floats | None
    keys: KeysChange | None

    @property
    def name(self) -> str:
        """The schema's own name."""
        return self.before.name

    @property
    def differs(self) -> bool:
        """Whether the data or the settings differ in anything."""
        return bool(self.settings) or self.before.digest != self.after.digest

    @property
    def missing_rate(self) -> tuple[Floats, Floats]:
        """Missing values as a share of all, before and after, each [*statistic_shape]; 0 where there are none."""
        return _rate(self.before, self.before.missing), _rate(self.after, self.after.missing)

    @property
    def nonfinite_rate(self) -> tuple[Floats, Floats]:
        """NaN and infinite values as a share of all, before and after."""
        before, after = (side.nan + side.pos_inf + side.neg_inf for side in (self.before, self.after))
        return _rate(self.before, before), _rate(self.after, after)

    @property
    def size(self) -> float:
        """How much it differs, for sorting only: the largest of shifts in sigmas, |ln sigma ratio| and changed shares.

        Infinite where the settings make it another thing.
        """
        if set(self.settings) - set(HARMLESS_SETTINGS):
            return float("inf")
        sizes = [_most(before, after) for before, after in (self.missing_rate, self.nonfinite_rate)]
        if self.moments is not None:
            sizes.append(self.moments.size)
        if self.quartile_shift is not None:
            sizes.append(float(np.max(self.quartile_shift, initial=0.0)))
        if self.keys is not None:
            sizes.append(self.keys.share_change)
            if self.keys.moments is not None:
                sizes.append(self.keys.moments.size)
        return max(sizes)


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """Two sets of constants.

    Attributes:
      before, after: the sets.
      features: those on both sides, in before's order, the equal ones included.
      only_before, only_after: names of features on one side only.
    """

    before: NormalizationConstants
    after: NormalizationConstants
    features: tuple[FeatureChange, ...]
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]

    @property
    def equal(self) -> bool:
        """Whether the digests are: all that the data determine is the same, and in the same order."""
        return self.before.digest == self.after.digest

    @property
    def changed(self) -> tuple[FeatureChange, ...]:
        """The features that differ, the one that differs most first."""
        return tuple(sorted((change for change in self.features if change.differs), key=lambda change: -change.size))


def _rate(constants: FeatureConstants, part: Counts) -> Floats:
    every = constants.count + constants.missing + constants.nan + constants.pos_inf + constants.neg_inf
    return np.asarray(part / np.maximum(every, 1))


def _most(before: Floats, after: Floats) -> float:
    return float(np.max(np.abs(after - before), initial=0.0)) if before.shape == after.shape else float("inf")
