"""One configuration of a GTR fixture: what it says, what goes in, what came out."""

from dataclasses import dataclass
from math import isfinite

from engine.core.faults import BadInput
from engine.evaluation.parity.fixture import REMEDY, Entries
from engine.nets.gtr.config import GtrConfig
from engine.objects.views import SIZE_PX, Views, load_views


@dataclass(frozen=True, slots=True)
class Case:
    """One configuration with its inputs and outputs.

    Attributes:
        name: the configuration file's, without its ending.
        config: the JSON file; without an entry `generator` it means the released network.
        inputs: the archive that pictures and cameras come from.
        stored: the archive of outputs.
    """

    name: str
    config: Entries
    inputs: Entries
    stored: Entries

    @property
    def is_reduced(self) -> bool:
        """Whether the file describes its own network."""
        return "generator" in self.config.values

    @property
    def has_slices(self) -> bool:
        """Whether only some tokens, channels and texels are stored."""
        return "token_index" in self.stored.values

    @property
    def view_count(self) -> int:
        """How many of the pictures go in."""
        return self.count("views")

    @property
    def image_size(self) -> int:
        """The edge in pixels to which pictures are resized."""
        return self.count("image_size", SIZE_PX)

    def number(self, name: str, usual: float | None = None) -> float:
        """Return a number of the configuration, or the usual one where it says nothing.

        Raises:
            BadInput: it is no number, or it is missing and nothing is usual.
        """
        if usual is not None and name not in self.config.values:
            return usual
        value = self.config[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise BadInput(f"{name} in {self.config.file} is not a number.", REMEDY)
        return value

    def count(self, name: str, usual: int | None = None) -> int:
        """Return a whole number above zero, like `number`.

        Raises:
            BadInput: it is none.
        """
        value = self.number(name, usual)
        if value < 1 or value != int(value):
            raise BadInput(f"{name} in {self.config.file} is not a count.", REMEDY)
        return int(value)

    def network(self) -> GtrConfig:
        """Return the network's configuration.

        Raises:
            BadInput: a choice that the network does not have.
        """
        if not self.is_reduced:
            return GtrConfig()
        try:
            return GtrConfig.from_dict(self.config.values)
        except (TypeError, ValueError, AttributeError) as fault:
            raise BadInput(f"{self.config.file} is no network of ours: {fault}.", REMEDY) from None

    def views(self) -> Views:
        """Return the first pictures of the inputs, as many as the configuration says.

        Raises:
            BadInput: there are fewer, they are too small, or a camera cannot be used.
        """
        rgba = self.inputs.array("rgba", None, None, None, 4)
        texts = self.inputs.words("camera_text")
        if self.view_count > min(len(rgba), len(texts)):
            raise BadInput(f"{self.inputs.file} does not hold {self.view_count} views.", REMEDY)
        if self.image_size < self.network().generator.patch_size:
            raise BadInput(f"Pictures in {self.config.file} are smaller than a patch.", REMEDY)
        chosen = range(self.view_count)
        return load_views(
            [rgba[i] for i in chosen],
            [texts[i] for i in chosen],
            self.image_size,
            compatible=True,
        )
