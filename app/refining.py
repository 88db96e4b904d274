"""The refiner as the thread beside the map's sees it: messages in, refined chunks out."""

from engine.recon.chunks import ChunkRequest, Message, RefinedChunk
from engine.recon.refiner import Refiner


class Refining:
    """A `Helper`: knows keyframes in the order in which it is told, and refines chunks."""

    def __init__(self, refiner: Refiner) -> None:
        """Own the refiner."""
        self._refiner = refiner

    def handle(self, message: Message | ChunkRequest) -> RefinedChunk | None:
        """Return what a request asks for; other messages have no answer."""
        if isinstance(message, ChunkRequest):
            return self._refiner.refine(message)
        self._refiner.tell(message)
        return None

    def close(self) -> None:
        """Forget all keyframes."""
        self._refiner.close()
