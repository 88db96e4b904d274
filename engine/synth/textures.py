"""Pictures of all materials of a world, stacked with smaller copies for distant views."""

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.synth.materials import Material


class Textures:
    """A stack of square pictures that is read at any place and blur."""

    def __init__(self, pictures: list[Tensor], device: torch.device | str = "cpu") -> None:
        """Stack pictures (edge, edge, 3) of one power-of-two edge, square root of reflectance."""
        level = torch.stack(pictures).permute(0, 3, 1, 2)
        self.device = torch.device(device)
        self.edge_px = level.shape[-1]
        self.count = len(pictures)
        rows: list[Tensor] = []
        starts: list[int] = []
        total = 0
        while True:
            flat = level.permute(0, 2, 3, 1).reshape(-1, 3)
            starts.append(total)
            total += len(flat)
            rows.append((flat * 255).round().to(torch.uint8))
            if level.shape[-1] <= 4:
                break
            level = F.avg_pool2d(level, 2)
        self._rows = torch.cat(rows).to(device)
        self._starts = torch.tensor(starts, device=device)

    def read(self, layer: Tensor, u: Tensor, v: Tensor, footprint: Tensor) -> Tensor:
        """Return linear reflectance (n, 3).

        Args:
            layer: (n,) which picture.
            u: (n,) across, one picture a unit, repeating.
            v: (n,) down, likewise.
            footprint: (n,) how much of the picture one pixel covers, as a fraction of its edge.
        """
        wanted = torch.log2((footprint * self.edge_px).clamp(min=1))
        # The nearest level alone: blending two looks the same in a moving picture and costs double.
        level = (wanted + 0.4).long().clamp(max=len(self._starts) - 1)
        edge = self.edge_px >> level
        x, y = u * edge - 0.5, v * edge - 0.5
        left, top = torch.floor(x), torch.floor(y)
        across, down = (x - left)[:, None], (y - top)[:, None]
        # Edges are powers of two, so wrapping round is a mask.
        x0, y0 = left.long() & (edge - 1), top.long() & (edge - 1)
        x1, y1 = (x0 + 1) & (edge - 1), (y0 + 1) & (edge - 1)
        base = self._starts.index_select(0, level) + layer * edge * edge
        upper = self._row(base + y0 * edge + x0).lerp(self._row(base + y0 * edge + x1), across)
        lower = self._row(base + y1 * edge + x0).lerp(self._row(base + y1 * edge + x1), across)
        return (upper.lerp(lower, down) / 255) ** 2

    def _row(self, index: Tensor) -> Tensor:
        return self._rows.index_select(0, index).float()


def paint_all(materials: list[Material], edge_px: int, device: torch.device | str) -> Textures:
    """Return the stack for these materials, in their order."""
    return Textures([m.paint(edge_px) for m in materials], device)
