"""Reads a bundle manifest (`bundle.toml`, see schemas/bundle.md) for the Python reference."""

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Spec:
    """The preprocessing of a bundle. Axis order is [z, y, x]; the defaults are the published method for the chest."""

    spacing_mm: tuple[float, float, float] = (3.0, 1.0, 1.0)
    crop: tuple[int, int, int] = (140, 192, 192)
    kept_slices: tuple[int, int] = (50, 119)
    short_series: str = "slide"
    fill_hu: float = -1024.0
    floor_hu: float = -1024.0
    ceiling_hu: float = 700.0
    above_ceiling_hu: float = 0.0
    clip_hu: tuple[float, float] = (-200.0, 200.0)
    scale: str = "min-max"

    @classmethod
    def from_manifest(cls, table: dict) -> "Spec":
        """The spec of a manifest's `[preprocessing]` table."""
        if table["alignment"] != "centre" or table["scale"] not in ("min-max", "clip"):
            raise ValueError("the reference knows alignment centre and the scales min-max and clip only")
        fields = cls.__dataclass_fields__
        values = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items() if key in fields}
        return cls(**values)

    def slab(self, depth: int) -> range:
        """The resampled slices that are scored, of a series that is `depth` resampled slices deep (may reach outside it)."""
        first, last = self.kept_slices
        count = last - first + 1
        if self.short_series == "pad":
            start = depth - self.crop[0] + first
            return range(start, start + count)
        skip = self.crop[0] - 1 - last
        top = max(0, min(skip, depth - count))
        count = min(count, depth)
        return range(depth - top - count, depth - top)


@dataclass(frozen=True)
class Bundle:
    """A bundle folder: its manifest as a dictionary, its preprocessing and the path of its network."""

    manifest: dict
    spec: Spec
    network: Path

    @classmethod
    def load(cls, folder: Path) -> "Bundle":
        """Reads `folder/bundle.toml`."""
        manifest = tomllib.loads((folder / "bundle.toml").read_text())
        return cls(manifest, Spec.from_manifest(manifest["preprocessing"]), folder / manifest["network"]["file"])
