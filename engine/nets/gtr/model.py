"""GTR: a large reconstruction model of one object, arXiv 2406.05649."""

from torch import Tensor, nn

from engine.nets.gtr.config import GtrConfig
from engine.nets.gtr.field import TriplaneField
from engine.nets.gtr.generator import Generator


class Gtr(nn.Module):
    """Posed views of an object to a field of density and colour in the box [-1, 1]^3.

    State-dict names, shapes and order are those of the published weights.
    """

    def __init__(self, config: GtrConfig | None = None) -> None:
        """Make the field and the generator; without a configuration, the released ones."""
        super().__init__()
        self.config = config or GtrConfig()
        self.field = TriplaneField(self.config.field)
        self.generator = Generator(self.config.generator)

    def forward(self, views_vchw: Tensor) -> Tensor:
        """Return the triplane (3, c, h, w) of views (v, 10, h, w)."""
        triplane: Tensor = self.generator(views_vchw)
        return triplane
