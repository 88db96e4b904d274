"""Who computes a network on the processor: torch, or OpenVINO where it is installed.

OpenVINO fuses what torch does one by one. Its own `convert_model` tells its makers about every use;
the front end beneath it, which is called here, tells nobody.
"""

import warnings
from importlib.util import find_spec
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from engine.core.faults import MissingPart

# As OpenVINO calls types. A processor that cannot compute in halves computes in float32.
PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}

Given = TypeVar("Given", bound=tuple[Tensor, ...])
Said = TypeVar("Said", bound=tuple[Tensor, ...])


class OpenVino(Generic[Given, Said]):
    """Called with what a module is called with, returns what it would: named tuples of tensors.

    Compiled when first called, which takes seconds, and again for every other size of pictures.
    Belongs to one thread at a time; uses as many as torch does.
    """

    def __init__(self, module: nn.Module, dtype: torch.dtype | None = None) -> None:
        """Take a module in evaluation mode on the processor; compute in `dtype`, float32 if None.

        Raises:
            MissingPart: OpenVINO is not installed.
        """
        if find_spec("openvino") is None:
            raise MissingPart(
                "OpenVINO is not installed, which is to compute the network.",
                "Install it with 'pip install -e .[openvino]', or use --backend torch.",
            )
        self._module = module
        self._precision = PRECISIONS[dtype or torch.float32]
        self._compiled: dict[tuple[torch.Size, ...], tuple[Any, type[Said]]] = {}

    def __call__(self, given: Given) -> Said:
        """Return what the module says; the tensors are the caller's."""
        shapes = tuple(each.shape for each in given)
        if shapes not in self._compiled:
            self._compiled[shapes] = self._compile(given)
        compiled, kind = self._compiled[shapes]
        found = compiled([each.contiguous().numpy() for each in given], share_inputs=True)
        # A named tuple's constructor takes its fields one by one.
        return kind(*(torch.from_numpy(found[n]) for n in range(len(compiled.outputs))))

    def _compile(self, given: Given) -> tuple[Any, type[Said]]:
        # Imported by those alone who use it: it takes half a second.
        import openvino
        from openvino.frontend import FrontEndManager
        from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

        flat = _Flat(self._module, type(given)).eval()
        trace: Any = torch.jit.trace  # it has no types
        with torch.no_grad(), warnings.catch_warnings():
            # Tracing warns of sizes that become constants; they are, for these shapes.
            warnings.simplefilter("ignore")
            traced = torch.jit.freeze(trace(flat, tuple(given), check_trace=False))
            front = FrontEndManager().load_by_framework("pytorch")
            # It has to outlive the conversion, which holds no reference of its own.
            decoder = TorchScriptPythonDecoder(traced)
            graph = front.load(decoder)
            for place, each in zip(graph.get_inputs(), given, strict=True):
                graph.set_partial_shape(place, openvino.PartialShape(list(each.shape)))
                graph.set_element_type(place, openvino.Type.f32)
            model = front.convert(graph)
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "INFERENCE_PRECISION_HINT": self._precision,
        }
        return openvino.Core().compile_model(model, "CPU", settings), flat.kind


class _Flat(nn.Module):
    """A module between named tuples as one between tensors; remembers the kind of its result."""

    def __init__(self, module: nn.Module, given: type[Any]) -> None:
        super().__init__()
        self.module = module
        self.kind: type[Any] = tuple
        self._given = given

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        said = self.module(self._given(*tensors))
        self.kind = type(said)
        return tuple(said)
