"""A network of a user's, as `Own` finds it."""

from torch import nn


def flat_network() -> nn.Module:
    """Pixels (B, 3, 16, 16) to vectors (B, 6)."""
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 6))


def not_a_network() -> str:
    """What a typo in a source could give."""
    return "no network"
