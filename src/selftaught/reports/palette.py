"""The colours of a page, light and dark, as data, so that tests can measure their contrast.

The eight numbered colours follow Okabe and Ito's set for colour-blind readers, shifted in lightness for each ground.
"""

from collections.abc import Mapping

LIGHT: Mapping[str, str] = {
    "ground": "#f6f6f3",
    "surface": "#ffffff",
    "raised": "#fbfbf9",
    "ink": "#16202a",
    "soft": "#4a5661",
    "faint": "#636e78",
    "hairline": "#e2e3de",
    "grid": "#ecedea",
    "accent": "#0b5e96",
    "accent-wash": "#eaf3f9",
    "good": "#0a6b46",
    "good-wash": "#eaf5ef",
    "bad": "#a8281d",
    "bad-wash": "#fbeeec",
    "warning": "#855200",
    "warning-wash": "#fbf3e3",
    "neutral": "#3d5568",
    "neutral-wash": "#eef2f5",
    "c0": "#0b6fb3",
    "c1": "#d2571a",
    "c2": "#0f9a74",
    "c3": "#b2559b",
    "c4": "#c28b00",
    "c5": "#6a5bd0",
    "c6": "#8a5a3c",
    "c7": "#45a5dc",
}

DARK: Mapping[str, str] = {
    "ground": "#0e1317",
    "surface": "#161d23",
    "raised": "#1b242b",
    "ink": "#ebeff2",
    "soft": "#b4bfc8",
    "faint": "#8f9ba5",
    "hairline": "#2a343c",
    "grid": "#232c33",
    "accent": "#6cb8ee",
    "accent-wash": "#17293a",
    "good": "#5fd2a0",
    "good-wash": "#14271f",
    "bad": "#ff9387",
    "bad-wash": "#301a19",
    "warning": "#f2c063",
    "warning-wash": "#2b2314",
    "neutral": "#a9bfd0",
    "neutral-wash": "#1b252d",
    "c0": "#55b0f2",
    "c1": "#ff8f57",
    "c2": "#36cfa1",
    "c3": "#e592cf",
    "c4": "#f0bb3c",
    "c5": "#a99bff",
    "c6": "#cf9f80",
    "c7": "#9bdcff",
}


def css_variables(colours: Mapping[str, str]) -> str:
    """Return the colours as CSS custom properties."""
    return "".join(f"--{name}:{value};" for name, value in colours.items())


def theme_rules() -> str:
    """Return the rules that follow the system's preference, let the page's button overrule it, and print on white."""
    light, dark = css_variables(LIGHT), css_variables(DARK)
    return (
        f":root{{color-scheme:light;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{color-scheme:dark;{dark}}}}}\n"
        f"@media screen{{:root[data-theme=light]{{color-scheme:light;{light}}}\n"
        f":root[data-theme=dark]{{color-scheme:dark;{dark}}}}}\n"
    )
