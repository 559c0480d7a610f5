"""An ONNX file in the making: a template's inputs and outputs, with other nodes and tensors."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper


class GraphWriter:
    """Collects nodes, in order, and tensors; begins with the tensors that no weights decide."""

    def __init__(self, skeleton: onnx.ModelProto) -> None:
        self._skeleton = skeleton
        self._nodes: list[onnx.NodeProto] = []
        self._functions: dict[str, onnx.FunctionProto] = {}
        self._tensors = [tensor for tensor in skeleton.graph.initializer if tensor.raw_data]

    def tensor(self, name: str, values: NDArray[np.generic]) -> str:
        """Add a constant and return its name."""
        self._tensors.append(numpy_helper.from_array(np.asarray(values, order="C"), name))
        return name

    def has(self, output: str) -> bool:
        """Whether a node has been added that gives `output`."""
        return any(output in node.output for node in self._nodes)

    def node(self, op_type: str, inputs: Sequence[str], output: str, **attributes: int) -> str:
        """Add a node with one output and return the output's name."""
        self.nodes(op_type, inputs, [output], **attributes)
        return output

    def nodes(
        self, op_type: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: int | str
    ) -> None:
        """Add a node with several outputs."""
        name = f"{outputs[0]}_{op_type}"
        self._nodes.append(helper.make_node(op_type, inputs, outputs, name=name, **attributes))

    def call(self, function: onnx.FunctionProto, inputs: Sequence[str], output: str) -> str:
        """Add a node that calls `function`, which the file then has; return the output's name."""
        del function.opset_import[:]
        function.opset_import.extend(self._skeleton.opset_import)
        self._functions[function.name] = function
        self.nodes(function.name, inputs, [output], domain=function.domain)
        return output

    def copy_of(self, node: onnx.NodeProto, inputs: Sequence[str] | None = None) -> None:
        """Add a copy of `node`, reading `inputs` instead of its own where they are given."""
        copied = onnx.NodeProto()
        copied.CopyFrom(node)
        if inputs is not None:
            copied.input[:] = inputs
        self._nodes.append(copied)

    def model(self, properties: Mapping[str, str]) -> onnx.ModelProto:
        """Return the file's content, with `properties` as its metadata."""
        model = onnx.ModelProto(
            ir_version=self._skeleton.ir_version,
            producer_name=self._skeleton.producer_name,
            opset_import=self._skeleton.opset_import,
        )
        graph = self._skeleton.graph
        model.graph.name = graph.name
        model.graph.input.extend(graph.input)
        model.graph.output.extend(graph.output)
        model.graph.node.extend(self._nodes)
        model.graph.initializer.extend(self._tensors)
        model.functions.extend(self._functions.values())
        for domain in {function.domain for function in self._functions.values()}:
            model.opset_import.add(domain=domain, version=1)
        for key, value in properties.items():
            model.metadata_props.add(key=key, value=value)
        return model
