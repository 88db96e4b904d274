"""Widths and depths of GTR; the defaults are the released network."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

# What the JSON form of a configuration says but the network cannot vary.
FIXED_GENERATOR = {"dropout": 0.0, "img_token_normalization": True}
FIXED_FIELD = {
    "single_jitter": False,
    "background_color": "white",
    "apply_ray_mask": True,
    "decoder_type": "TriPlaneDecoder",
}
FIXED_DECODER = {"field_type": "SeparateField"}
FIXED_MLP = {"sigma_activation": "softplus", "activation": "gelu"}


@dataclass(frozen=True, slots=True)
class LiftConfig:
    """Pictures lifted to the planes, which the published network does not have.

    Attributes:
        features: channels of a pixel.
        grid: cells along one side of the volume.
        widths: channels of the volume's levels, each half as fine as the one before.
        kept: channels of the volume that the planes are told of.
    """

    features: int = 16
    grid: int = 32
    widths: tuple[int, ...] = (12, 32, 48)
    kept: int = 10

    def __post_init__(self) -> None:
        """Refuse sizes that no network has.

        Raises:
            ValueError: a size is no whole number above zero, or halving the volume leaves a rest.
        """
        counts = {"features": self.features, "grid": self.grid, "kept": self.kept}
        _refuse_no_counts(counts | {f"widths[{i}]": w for i, w in enumerate(self.widths)})
        if not self.widths or self.grid % 2 ** (len(self.widths) - 1):
            raise ValueError(f"a volume of {self.grid} cells has no {len(self.widths)} levels")

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "LiftConfig":
        """Return the configuration of a JSON form.

        Raises:
            ValueError: an unknown key or a size that no network has.
        """
        known = _free(values, {}, {item.name for item in fields(LiftConfig)})
        return LiftConfig(**{**known, "widths": tuple(known.get("widths", (12, 32, 48)))})


@dataclass(frozen=True, slots=True)
class GeneratorConfig:
    """Views to triplane.

    Attributes:
        in_channels: 10 with a mask, 9 without.
        plane_resolution: tokens along one side of a plane.
        out_channels: channels of the triplane.
        patch_size: pixels along one side of a view token.
        model_channels: width of a token.
        num_layers: transformer blocks.
        num_heads: attention heads of `num_head_channels` each.
        gradient_checkpointing: forget activations inside blocks while training.
        upsample_factor: texels along one side of a plane token.
        ff_mult: hidden width of the feed-forward part over `model_channels`.
        lift: an addition of ours for small networks; the published one has none.
    """

    in_channels: int = 10
    plane_resolution: int = 32
    out_channels: int = 40
    patch_size: int = 16
    model_channels: int = 1024
    num_layers: int = 24
    num_heads: int = 16
    num_head_channels: int = 64
    gradient_checkpointing: bool = True
    upsample_factor: int = 8
    ff_mult: int = 4
    lift: LiftConfig | None = None

    def __post_init__(self) -> None:
        """Refuse sizes that no network has.

        Raises:
            ValueError: a size is no whole number above zero.
        """
        _refuse_no_counts({k: v for k, v in asdict(self).items() if k != "lift"})

    def as_dict(self) -> dict[str, Any]:
        """Return the plain JSON form; without a lift it is the published one."""
        values = {**asdict(self), **FIXED_GENERATOR}
        if self.lift is None:
            del values["lift"]
        else:
            values["lift"]["widths"] = list(self.lift.widths)
        return values

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "GeneratorConfig":
        """Return the configuration of a JSON form; what is left out is as released.

        Raises:
            ValueError: an unknown key, or a choice that this network does not have.
        """
        known = {item.name for item in fields(GeneratorConfig)}
        chosen = _free(values, FIXED_GENERATOR, known)
        if isinstance(chosen.get("lift"), Mapping):
            chosen["lift"] = LiftConfig.from_dict(chosen["lift"])
        return GeneratorConfig(**chosen)


@dataclass(frozen=True, slots=True)
class FieldConfig:
    """Triplane features to density and colour.

    Attributes:
        in_dim: features of a point, three times the triplane's channels.
        num_layers_sigma: linear layers of the density network.
        num_layers_color: linear layers of the colour network.
        layer_width: hidden width of both.
        num_samples_per_ray: samples of the volume renderer.
    """

    in_dim: int = 120
    num_layers_sigma: int = 3
    num_layers_color: int = 4
    layer_width: int = 32
    num_samples_per_ray: int = 256

    def __post_init__(self) -> None:
        """Refuse sizes that no network has.

        Raises:
            ValueError: a size is no whole number above zero.
        """
        _refuse_no_counts(asdict(self))

    def as_dict(self) -> dict[str, Any]:
        """Return the plain JSON form, nested as published configurations are."""
        mlp = asdict(self)
        samples = mlp.pop("num_samples_per_ray")
        decoder = {**FIXED_DECODER, "field_args": {**mlp, **FIXED_MLP}}
        return {"num_samples_per_ray": samples, **FIXED_FIELD, "decoder_args": decoder}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "FieldConfig":
        """Return the configuration of a JSON form; what is left out is as released.

        Raises:
            ValueError: an unknown key, or a choice that this network does not have.
        """
        known = {item.name for item in fields(FieldConfig)} - {"num_samples_per_ray"}
        outer = _free(values, FIXED_FIELD, {"num_samples_per_ray", "decoder_args"})
        decoder = _free(outer.pop("decoder_args", {}), FIXED_DECODER, {"field_args"})
        mlp = _free(decoder.get("field_args", {}), FIXED_MLP, known)
        return FieldConfig(**mlp, **outer)


@dataclass(frozen=True, slots=True)
class GtrConfig:
    """The whole network."""

    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    field: FieldConfig = field(default_factory=FieldConfig)

    def __post_init__(self) -> None:
        """Refuse a field that does not fit the triplane.

        Raises:
            ValueError: the field's input is not three values a triplane channel.
        """
        if self.field.in_dim != 3 * self.generator.out_channels:
            raise ValueError(
                f"a triplane of {self.generator.out_channels} channels gives "
                f"{3 * self.generator.out_channels} features, not {self.field.in_dim}"
            )

    def as_dict(self) -> dict[str, Any]:
        """Return the plain JSON form."""
        return {"generator": self.generator.as_dict(), "field": self.field.as_dict()}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "GtrConfig":
        """Return the configuration in the entries `generator` and `field`; others are ignored.

        Raises:
            ValueError: an unknown key, or a choice that this network does not have.
        """
        return GtrConfig(
            GeneratorConfig.from_dict(values.get("generator", {})),
            FieldConfig.from_dict(values.get("field", {})),
        )

    @staticmethod
    def from_shapes(shapes: Mapping[str, Sequence[int]], num_heads: int = 16) -> "GtrConfig":
        """Return the configuration of a state dict's names and shapes.

        Shapes do not tell into how many heads attention is cut, nor the samples a ray.

        Raises:
            KeyError: an entry of this network is missing.
            ValueError: the width of attention cannot be cut into so many heads.
        """
        planes = shapes["generator.planes"]
        block = "generator.attn_layers.0."
        channels, patch = planes[2], shapes["generator.conv_proj.weight"]
        mlp = "field.decoder.field."
        features = shapes[f"{mlp}mlp_sigma.layers.0.weight"][1]
        inner = shapes[f"{block}self_attn.to_q.weight"][0]
        if inner % num_heads:
            raise ValueError(f"a width of {inner} cannot be cut into {num_heads} heads")
        factor = (shapes["generator.out.proj.weight"][0] / (features // 3)) ** 0.5
        return GtrConfig(
            GeneratorConfig(
                in_channels=patch[1],
                plane_resolution=planes[3],
                out_channels=features // 3,
                patch_size=patch[2],
                model_channels=channels,
                num_layers=_count(shapes, "generator.attn_layers.{}.norm1.weight"),
                num_heads=num_heads,
                num_head_channels=inner // num_heads,
                upsample_factor=round(factor),
                ff_mult=shapes[f"{block}ff.net.2.weight"][1] // channels,
            ),
            FieldConfig(
                in_dim=features,
                num_layers_sigma=_count(shapes, f"{mlp}mlp_sigma.layers.{{}}.weight"),
                num_layers_color=_count(shapes, f"{mlp}mlp_color.layers.{{}}.weight"),
                layer_width=shapes[f"{mlp}mlp_sigma.layers.0.weight"][0],
            ),
        )


def _count(shapes: Mapping[str, Sequence[int]], pattern: str) -> int:
    """Return how many numbers from 0 on fill the pattern to an existing name."""
    number = 0
    while pattern.format(number) in shapes:
        number += 1
    return number


def _free(values: Mapping[str, Any], fixed: Mapping[str, Any], known: set[str]) -> dict[str, Any]:
    """Return the entries that may vary, having checked those that may not."""
    for key, only in fixed.items():
        if values.get(key, only) != only:
            raise ValueError(f"{key} can only be {only!r}, not {values[key]!r}")
    unknown = values.keys() - fixed.keys() - known
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))} is not known")
    return {key: value for key, value in values.items() if key in known}


def _refuse_no_counts(values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        if not isinstance(value, bool) and (not isinstance(value, int) or value < 1):
            raise ValueError(f"{key} must be a whole number above zero, not {value!r}")
