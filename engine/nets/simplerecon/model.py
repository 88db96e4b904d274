"""The depth network: a posed picture and its sources to log depth (Sayed 2022, figure 2)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.nets.simplerecon import geometry
from engine.nets.simplerecon.config import SimpleReconConfig
from engine.nets.simplerecon.cost_volume import Cameras, MetadataVolume, Volume
from engine.nets.simplerecon.cv_encoder import VolumeEncoder
from engine.nets.simplerecon.decoder import DepthDecoder
from engine.nets.simplerecon.encoder import ImageEncoder
from engine.nets.simplerecon.losses import Losses, MultiViewLoss, Normals, all_losses
from engine.nets.simplerecon.matching import MatchingEncoder

# Trap: ImageNet's numbers, although the image encoder's own convention is 0.5 and 0.5.
IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)
RESULT_SHRINK = 2
MATCHING_SHRINK = 4
# Probabilities are squared before their mean is taken: many small ones far off would move it.
SHARPNESS = 2.0


class DepthPrediction(NamedTuple):
    """What the network says of one reference.

    Attributes:
        log_depths: (b, 1, h, w) log metres at strides 2, 4, 8 and 16; the first is the result.
        volume: the cost volume at stride 4.
    """

    log_depths: tuple[Tensor, ...]
    volume: Volume


def normalised(rgb_x3hw: Tensor) -> Tensor:
    """Return bytes 0..255 as the network wants pictures."""
    mean, std = (
        torch.tensor(values, device=rgb_x3hw.device)[:, None, None]
        for values in (IMAGE_MEAN, IMAGE_STD)
    )
    return (rgb_x3hw.float() / 255 - mean) / std


class SimpleRecon(nn.Module):
    """Depth from a reference and its sources, nearest pose first.

    Names and order of the entries are those of the published checkpoint. Pictures may have any
    size in multiples of 32, whatever size the configuration names.
    """

    def __init__(self, config: SimpleReconConfig) -> None:
        super().__init__()
        self.config = config
        height, width = config.image_height // RESULT_SHRINK, config.image_width // RESULT_SHRINK
        self.encoder = ImageEncoder(config)
        self.cost_volume_net = VolumeEncoder(config)
        self.depth_decoder = DepthDecoder(config)
        self.mv_depth_loss = MultiViewLoss(height, width)
        self.compute_normals = Normals(height, width)
        self.cost_volume = MetadataVolume(config)
        self.matching_model = MatchingEncoder(config)

    def forward(
        self,
        images_bv3hw: Tensor,
        K_bv33: Tensor,
        T_world_cam_bv44: Tensor,
        is_mirrored: bool = False,
    ) -> DepthPrediction:
        """Return the reference's depth.

        Args:
            images_bv3hw: normalised pictures, the reference first, then sources by pose distance.
            K_bv33: their cameras in pixels of the pictures, counted from the corner.
            T_world_cam_bv44: where they stood.
            is_mirrored: let the 2D networks see everything mirrored (augmentation); the result is
                mirrored back.
        """
        shown = mirror(images_bv3hw) if is_mirrored else images_bv3hw
        levels = self.encoder(shown[:, 0])
        matching_bvchw = self.match(shown)
        if is_mirrored:
            matching_bvchw = mirror(matching_bvchw)
        volume = self.sweep(matching_bvchw, self.cameras(K_bv33, T_world_cam_bv44))
        cost_bdhw = mirror(volume.cost_bdhw) if is_mirrored else volume.cost_bdhw
        log_depths = self.decode(cost_bdhw, levels)
        if is_mirrored:
            log_depths = tuple(mirror(log_depth) for log_depth in log_depths)
        return DepthPrediction(log_depths, volume)

    def match(self, images_bv3hw: Tensor) -> Tensor:
        """Return matching features (b, v, c, h/4, w/4); all pictures go through as one batch."""
        features: Tensor = self.matching_model(images_bv3hw.flatten(0, 1))
        return torch.unflatten(features, 0, images_bv3hw.shape[:2])

    def cameras(self, K_bv33: Tensor, T_world_cam_bv44: Tensor) -> Cameras:
        """Return the cameras of the matching features from those of the pictures."""
        with geometry.exact(K_bv33):
            K = geometry.scaled(geometry.wide(K_bv33), MATCHING_SHRINK)
            T_src_ref_bv44 = geometry.relative_poses(geometry.wide(T_world_cam_bv44))
        return Cameras(K[:, 0], K[:, 1:], T_src_ref_bv44)

    def sweep(self, matching_bvchw: Tensor, cameras: Cameras) -> Volume:
        """Return the cost volume of matching features."""
        volume: Volume = self.cost_volume(matching_bvchw[:, 0], matching_bvchw[:, 1:], cameras)
        return volume

    def decode(self, cost_bdhw: Tensor, levels: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Return log depths from a volume and the image encoder's five levels."""
        joined = self.cost_volume_net(cost_bdhw, levels[1:])
        said = tuple(geometry.wide(each) for each in self.depth_decoder((levels[0], *joined)))
        if not self.config.is_residual:
            return said
        with geometry.exact(cost_bdhw):
            # A wrong volume must be set right by its own loss: through here it would only learn to
            # say nothing.
            expected = expected_log_depth(cost_bdhw.detach(), self.cost_volume.planes_m())
            return tuple(
                each + F.interpolate(expected, size=each.shape[-2:], mode="bilinear")
                for each in said
            )

    def losses(
        self,
        log_depths: tuple[Tensor, ...],
        truth_bv1hw: Tensor,
        K_bv33: Tensor,
        T_world_cam_bv44: Tensor,
    ) -> Losses:
        """Return every loss; truth has half the pictures' size and NaN where it is unknown."""
        with geometry.exact(truth_bv1hw):
            K = geometry.scaled(geometry.wide(K_bv33), RESULT_SHRINK)
        return all_losses(
            log_depths,
            truth_bv1hw,
            K,
            geometry.wide(T_world_cam_bv44),
            self.compute_normals,
            self.mv_depth_loss,
        )


def expected_log_depth(cost_bdhw: Tensor, planes_m: Tensor) -> Tensor:
    """Return the log depth (b, 1, h, w) expected from a volume of logits over planes."""
    share_bdhw = (SHARPNESS * geometry.wide(cost_bdhw)).softmax(1)
    return (share_bdhw * planes_m.log()[:, None, None]).sum(1, keepdim=True)


def mirror(values_xhw: Tensor) -> Tensor:
    """Return pictures with left and right exchanged."""
    return values_xhw.flip(-1)
