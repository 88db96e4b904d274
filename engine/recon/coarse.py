"""The coarse volume: image features and guidance of every voxel, through the 3D network."""

import torch
from torch import Tensor

from engine.nets.finerecon.guidance import fill
from engine.nets.finerecon.model import FineRecon
from engine.recon.compute import Compute
from engine.recon.gather import Sums, in_picture
from engine.recon.lattice import Lattice
from engine.recon.views import View

# Voxels whose occupancy is asked for at once.
VOXELS_AT_ONCE = 1 << 18


class CoarseVolume:
    """Collects views one by one; then the 3D network sees the whole box at once."""

    def __init__(self, network: FineRecon, lattice: Lattice, compute: Compute) -> None:
        """Start without views."""
        self.lattice = lattice
        self._network = network
        self._compute = compute
        self._points_n3 = lattice.points().to(compute.device)
        channels = network.config.image_feature_dim
        self.sums = Sums.zero(channels, lattice.size, compute.device)

    @torch.no_grad()
    def add(self, view: View) -> None:
        """Add a view to the voxels inside its photograph.

        A view's depth is ignored outside its photograph too, as the published inference does it.
        """
        here = view.to(self._compute.device)
        at = in_picture(self._points_n3, here)
        if len(at) == 0:
            return
        with self._compute.precise():
            features = self._network.coarse_features(here.image_3hw[None].float() / 255)[0]
        network, points = self._network, self._points_n3
        self.sums.add_features(network, features, here, points, at, is_border_weighted=False)
        if here.depth is not None and network.config.guidance != "none":
            self.sums.add_guidance(network, here.depth, points, at)

    def mean(self) -> Tensor:
        """Return the mean features (c, x, y, z), 0 where no view looked."""
        return self.sums.mean().view(-1, *self.lattice.dims)

    def guidance(self) -> Tensor:
        """Return the guidance channel (x, y, z)."""
        channel = fill(self.sums.guidance_n, self.sums.depths_n, self._network.unseen)
        return channel.view(self.lattice.dims)

    @torch.no_grad()
    def features(self) -> Tensor:
        """Return the 3D network's voxel features (c, x, y, z) float32; ends the collecting.

        The sums of features are let go first, since the network needs the memory.
        """
        with self._compute.precise():
            depths, views = (
                n.view(self.lattice.dims) for n in (self.sums.depths_n, self.sums.views_n)
            )
            volume = self._network.volume_input(self.mean(), self.guidance(), depths, views)
            self.sums.features_cn = self.sums.features_cn.new_zeros(0)
            # Single precision from here on: reading between voxels is geometry.
            return self._network.unet(volume).float()


@torch.no_grad()
def occupancy_logits(network: FineRecon, features_cxyz: Tensor, compute: Compute) -> Tensor:
    """Return (x, y, z) logits: above zero, a voxel is worth refining."""
    flat = features_cxyz.flatten(1)
    with compute.precise():
        logits = [network.occupancy(part) for part in torch.split(flat, VOXELS_AT_ONCE, dim=1)]
    return torch.cat(logits).view(features_cxyz.shape[1:])
