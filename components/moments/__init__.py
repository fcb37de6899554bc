"""Exact mean and variance: an accumulator that knows no runner, and the adapters that give it one."""

from components.moments.accumulator import Moments

__all__ = ["Moments"]
