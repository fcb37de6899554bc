"""log(1 + x) with the same bits on every machine: additions, multiplications and divisions of float64 only.

NumPy's own, like a C library's, differs in the last bit between versions and processors, and the statistics of a
column tagged ``log1p`` with it. Error below 1 ulp.

Source: FreeBSD's s_log1p.c (K. C. Ng, Sun Microsystems, 1993), its reduction and its polynomial.
"""

import numpy as np
import numpy.typing as npt

_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_POLYNOMIAL = tuple(
    map(
        float.fromhex,
        (
            "0x1.5555555555593p-1",
            "0x1.999999997fa04p-2",
            "0x1.2492494229359p-2",
            "0x1.c71c51d8e78afp-3",
            "0x1.7466496cb03dep-3",
            "0x1.39a09d078c69fp-3",
            "0x1.2f112df3e5244p-3",
        ),
    )
)
# Between these, x itself is the reduced argument: nothing is rounded before the polynomial.
_DIRECT = (-0.2929, 0.41422)

FloatArray = npt.NDArray[np.float64]


def log1p(values: npt.ArrayLike) -> FloatArray:
    """float64 of any shape; -inf at -1, NaN below it and for NaN, inf at inf, the sign of zero kept."""
    x = np.asarray(values, np.float64)
    usable = np.isfinite(x) & (x > -1)
    safe = np.where(usable, x, 0.0)
    shifted = 1.0 + safe
    fraction, exponent = np.frexp(shifted)
    low = fraction < np.sqrt(0.5)
    fraction, exponent = np.where(low, 2.0 * fraction, fraction), exponent - low
    direct = (safe > _DIRECT[0]) & (safe < _DIRECT[1])
    f = np.where(direct, safe, fraction - 1.0)
    k = np.where(direct, 0, exponent).astype(np.float64)
    # What 1 + x lost in rounding, to first order.
    lost = np.where(safe > 1, 1.0 - (shifted - safe), safe - (shifted - 1.0)) / shifted
    lost = np.where(direct, 0.0, lost)
    half_square = 0.5 * f * f
    s = f / (2.0 + f)
    z = s * s
    tail = np.zeros_like(z)
    for coefficient in reversed(_POLYNOMIAL):
        tail = z * (coefficient + tail)
    result = k * _LN2_HIGH - ((half_square - (s * (half_square + tail) + (k * _LN2_LOW + lost))) - f)
    result = np.where(safe == 0, safe, result)
    outside = np.where(x == -1, -np.inf, np.where(x == np.inf, np.inf, np.nan))
    return np.asarray(np.where(usable, result, outside))
