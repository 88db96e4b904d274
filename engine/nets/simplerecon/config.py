"""Every size of the depth network; the defaults are the released "hero" configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

# Trap: the order of what a cell of the volume says, which the MLP's first layer is tied to.
METADATA = (
    "warped",
    "reference",
    "masks",
    "depths",
    "plane",
    "dots",
    "cosines",
    "rays",
    "pose_combined",
    "pose_rotation",
    "pose_translation",
)
ENCODER_STAGES = 6
LEVELS = 4
SIZE_MULTIPLE = 32
GRID = "compute_normals.backproject.pix_coords_13N"

Shapes = Mapping[str, Sequence[int]]


@dataclass(frozen=True, slots=True)
class SimpleReconConfig:
    """Sizes of the network; pictures are multiples of 32, and only the file format binds them.

    Attributes:
        image_width: columns of the pictures the network was made for.
        image_height: rows of them.
        sources: views beside the reference; the volume's weights are tied to their order.
        planes: depth hypotheses, uniform in log depth.
        near_m: depth of the first plane.
        far_m: depth of the last plane.
        matching_dims: channels that are compared.
        matching_scale: halvings from the result to the volume; the matching encoder allows only 1.
        matching_stem: channels of the matching encoder up to its residual blocks.
        matching_blocks: residual blocks of it.
        matching_hidden: channels between its last two convolutions.
        mlp_hidden: widths between the metadata and the cost.
        metadata: which parts of `METADATA` the cost is made of; their order is always that one.
        encoder_stem: channels after the image encoder's first convolution.
        encoder_widths: channels of its six stages.
        encoder_repeats: blocks of them.
        encoder_expansions: widening inside a block of them; 1 for plain convolutions.
        volume_widths: channels of the cost-volume encoder, strides 4 to 32.
        decoder_widths: channels of the decoder's rows, strides 2 to 16.
        is_residual: the volume is read as logits over planes, and the decoder says by how much the
            depth expected from them is wrong; otherwise it says depth itself.
    """

    image_width: int = 512
    image_height: int = 384
    sources: int = 7
    planes: int = 64
    near_m: float = 0.25
    far_m: float = 5.0
    matching_dims: int = 16
    matching_scale: int = 1
    matching_stem: int = 64
    matching_blocks: int = 2
    matching_hidden: int = 128
    mlp_hidden: tuple[int, ...] = (128, 128)
    metadata: tuple[str, ...] = METADATA
    encoder_stem: int = 24
    encoder_widths: tuple[int, ...] = (24, 48, 64, 128, 160, 256)
    encoder_repeats: tuple[int, ...] = (2, 4, 4, 6, 9, 15)
    encoder_expansions: tuple[float, ...] = (1.0, 4.0, 4.0, 4.0, 6.0, 6.0)
    volume_widths: tuple[int, ...] = (64, 128, 256, 384)
    decoder_widths: tuple[int, ...] = (64, 64, 128, 256)
    is_residual: bool = False

    def __post_init__(self) -> None:
        """Refuse sizes that do not fit together.

        Raises:
            ValueError: says which.
        """
        if self.image_width % SIZE_MULTIPLE or self.image_height % SIZE_MULTIPLE:
            raise ValueError(
                f"Pictures of {self.image_width}x{self.image_height} are not multiples of "
                f"{SIZE_MULTIPLE}."
            )
        if self.matching_scale != 1:
            raise ValueError("The matching encoder works at matching scale 1 only.")
        if not 0 < self.near_m < self.far_m or self.planes < 2 or self.sources < 1:
            raise ValueError("Planes must lie between two depths, with at least one source.")
        if not self.metadata or set(self.metadata) - set(METADATA):
            raise ValueError(f"Metadata are some of {', '.join(METADATA)}.")
        for what, values, count in (
            ("encoder", self.encoder_widths, ENCODER_STAGES),
            ("encoder", self.encoder_repeats, ENCODER_STAGES),
            ("encoder", self.encoder_expansions, ENCODER_STAGES),
            ("cost-volume encoder", self.volume_widths, LEVELS),
            ("decoder", self.decoder_widths, LEVELS),
        ):
            if len(values) != count:
                raise ValueError(f"The {what} has {count} stages, not {len(values)}.")

    @property
    def mlp_widths(self) -> tuple[int, ...]:
        """Widths of the reduction MLP from the metadata to the cost."""
        sizes = metadata_sizes(self.sources, self.matching_dims)
        return (sum(sizes[name] for name in self.metadata), *self.mlp_hidden, 1)

    @property
    def encoder_channels(self) -> tuple[int, ...]:
        """Channels of the image encoder's five results, strides 2 to 32."""
        first, second, third, _, fifth, sixth = self.encoder_widths
        return (first, second, third, fifth, sixth)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "SimpleReconConfig":
        """Return the configuration that `as_dict` wrote; absent fields are the released ones.

        Raises:
            ValueError: a field that does not exist.
        """
        known = {field.name for field in fields(SimpleReconConfig)}
        if unknown := values.keys() - known:
            raise ValueError(f"This network has no setting called {', '.join(sorted(unknown))}.")
        settings: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return SimpleReconConfig(**settings)

    @staticmethod
    def from_shapes(
        shapes: Shapes, image_size: tuple[int, int] | None = None
    ) -> "SimpleReconConfig":
        """Return the sizes that names and shapes of a state dict were made with.

        Args:
            shapes: name -> shape.
            image_size: (width, height); without it, the pair nearest to 4:3 that has as many
                pixels as the file's grids, for they do not tell width from height; without
                grids, the released size.

        All metadata are taken to be used, and depth to be said outright: shapes do not tell.

        Raises:
            ValueError: an entry is missing or the sizes contradict each other.
        """
        try:
            return _from_shapes(shapes, image_size)
        except KeyError as missing:
            raise ValueError(f"The entry {missing} of this network is missing.") from missing
        except IndexError as short:
            raise ValueError("An entry of this network has too few axes.") from short


def metadata_sizes(sources: int, dims: int) -> dict[str, int]:
    """Return how many numbers each part of the metadata has."""
    return dict.fromkeys(METADATA, sources) | {
        "warped": sources * dims,
        "reference": dims,
        "plane": 1,
        "rays": 3 + 3 * sources,
    }


def _from_shapes(shapes: Shapes, image_size: tuple[int, int] | None) -> SimpleReconConfig:
    width, height = image_size or _image_size(shapes)
    mlp = [shapes[name] for name in _numbered(shapes, "cost_volume.mlp.net.{}.weight")]
    dims = shapes["matching_model.net.8.weight"][0]
    # The sizes of all metadata grow evenly with the sources.
    always, one = (sum(metadata_sizes(count, dims).values()) for count in (0, 1))
    sources, rest = divmod(mlp[0][1] - always, one - always)
    if rest:
        raise ValueError(f"A metadata vector of {mlp[0][1]} does not fit {dims} channels.")
    stem = shapes["encoder.conv_stem.weight"][0]
    widths, repeats, expansions = _encoder(shapes, stem)
    return SimpleReconConfig(
        image_width=width,
        image_height=height,
        sources=sources,
        planes=shapes["cost_volume_net.convs.ds_conv_0.conv1.weight"][1],
        matching_dims=dims,
        matching_stem=shapes["matching_model.net.0.weight"][0],
        matching_blocks=len(_numbered(shapes, "matching_model.net.4.{}.conv1.weight")),
        matching_hidden=shapes["matching_model.net.5.weight"][0],
        mlp_hidden=tuple(shape[0] for shape in mlp[:-1]),
        encoder_stem=stem,
        encoder_widths=widths,
        encoder_repeats=repeats,
        encoder_expansions=expansions,
        volume_widths=tuple(
            shapes[f"cost_volume_net.convs.ds_conv_{level}.conv1.weight"][0]
            for level in range(LEVELS)
        ),
        decoder_widths=tuple(
            shapes[f"depth_decoder.convs.in_conv_{row}1.0.conv1.weight"][0] for row in range(LEVELS)
        ),
    )


def _encoder(
    shapes: Shapes, width: int
) -> tuple[tuple[int, ...], tuple[int, ...], tuple[float, ...]]:
    """Return widths, repeats and expansions of the stages of an encoder whose stem has a width."""
    widths, repeats, expansions = [], [], []
    for stage in range(ENCODER_STAGES):
        inner = [
            f"encoder.blocks.{stage}.0.{name}.weight" for name in ("conv", "conv_exp", "conv_pw")
        ]
        first = next((name for name in inner if name in shapes), inner[0])
        expansions.append(1.0 if first == inner[0] else shapes[first][0] / width)
        last = first if first == inner[0] else f"encoder.blocks.{stage}.0.conv_pwl.weight"
        width = shapes[last][0]
        widths.append(width)
        kind = first.rsplit(".", 2)[1]
        repeats.append(len(_numbered(shapes, f"encoder.blocks.{stage}.{{}}.{kind}.weight")))
    return tuple(widths), tuple(repeats), tuple(expansions)


def _numbered(shapes: Shapes, form: str) -> list[str]:
    """Return the names of a form that exist, in order of the number in it."""
    before, after = form.split("{}")
    numbers = (
        name[len(before) : len(name) - len(after)]
        for name in shapes
        if name.startswith(before) and name.endswith(after)
    )
    return [form.format(n) for n in sorted(int(n) for n in numbers if n.isdigit())]


def _image_size(shapes: Shapes) -> tuple[int, int]:
    """Return the (width, height) in multiples of 32, nearest to 4:3, that the grids were made for.

    The grids are no weights and may have been left out: then it is the released size.
    """
    if GRID not in shapes:
        released = SimpleReconConfig()
        return released.image_width, released.image_height
    pixels = 4 * shapes[GRID][-1]
    cells, rest = divmod(pixels, SIZE_MULTIPLE**2)
    pairs = [(w, cells // w) for w in range(1, cells + 1) if cells % w == 0]
    if rest or not pairs:
        raise ValueError(f"{pixels} pixels do not make a picture in multiples of {SIZE_MULTIPLE}.")
    width, height = min(pairs, key=lambda pair: abs(pair[0] / pair[1] - 4 / 3))
    return width * SIZE_MULTIPLE, height * SIZE_MULTIPLE
