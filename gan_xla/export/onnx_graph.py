"""A jaxpr as nodes of ONNX, for the operations that the networks here are made of.

Not jax2onnx 0.17, which needs an Orbax older than ours, replaces parts of Flax while it works, stops at batch norm
under vmap and writes shapes that ONNX Runtime warns of.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import jax
import numpy as np
from jax.extend import core

from gan_xla.errors import UserError

Value = str | np.ndarray  # the name of a tensor, or a constant

# Operations of the same operands and no choices.
SAME = {
    "abs": "Abs",
    "add": "Add",
    "copy": "Identity",
    "div": "Div",
    "exp": "Exp",
    "ge": "GreaterOrEqual",
    "gt": "Greater",
    "log": "Log",
    "logistic": "Sigmoid",
    "max": "Max",
    "min": "Min",
    "mul": "Mul",
    "neg": "Neg",
    "sqrt": "Sqrt",
    "stop_gradient": "Identity",
    "sub": "Sub",
    "tanh": "Tanh",
}
INLINED = {"jit": "jaxpr", "pjit": "jaxpr", "custom_jvp_call": "call_jaxpr", "closed_call": "call_jaxpr"}


class Graph:
    """Nodes and constants, as they are added; what is known now is computed now.

    Attributes:
      nodes, initializers: of the onnx library's types, in order.
    """

    def __init__(self, onnx: ModuleType, inputs: Mapping[str, jax.ShapeDtypeStruct]):
        self._onnx, self._inputs, self._names = onnx, inputs, {}
        self._lengths: dict[str, str] = {}  # tensors [1] of the sizes that are free, by name
        self.nodes, self.initializers = [], []

    def add(self, op: str, *operands: Value, name: str | None = None, **attributes) -> str:
        """A node of one result, whose name is returned."""
        name = name or f"t{len(self.nodes)}"
        named = [x if isinstance(x, str) else self._constant(x) for x in operands]
        self.nodes.append(self._onnx.helper.make_node(op, named, [name], **attributes))
        return name

    def _constant(self, array: np.ndarray) -> str:
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._names:
            self._names[key] = f"c{len(self._names)}"
            self.initializers.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(array), self._names[key]))
        return self._names[key]

    def run(self, jaxpr: core.Jaxpr, consts: Sequence[Any], arguments: Sequence[Value]) -> list[Value]:
        """The results of `jaxpr`.

        Raises:
          UserError: an operation that is not known here.
        """
        values = dict(zip(jaxpr.constvars, map(np.asarray, consts))) | dict(zip(jaxpr.invars, arguments))

        def read(atom) -> Value:
            return np.asarray(atom.val, atom.aval.dtype) if isinstance(atom, core.Literal) else values[atom]

        for eqn in jaxpr.eqns:
            results = self._apply(eqn, [read(atom) for atom in eqn.invars])
            values.update(zip(eqn.outvars, results, strict=True))
        return [read(atom) for atom in jaxpr.outvars]

    def _apply(self, eqn: core.JaxprEqn, operands: list[Value]) -> list[Value]:
        name, params = eqn.primitive.name, eqn.params
        if name in INLINED:
            if params.get("name") == "leaky_relu" and isinstance(operands[0], str):
                return [self.add("LeakyRelu", operands[0], alpha=float(operands[1]))]
            inner = params[INLINED[name]]
            inner, consts = (inner.jaxpr, inner.consts) if isinstance(inner, core.ClosedJaxpr) else (inner, ())
            return self.run(inner, consts, operands)
        if name == "optimization_barrier":  # for XLA alone
            return operands
        shape = eqn.outvars[0].aval.shape
        known = all(isinstance(x, np.ndarray) for x in operands)
        if known and name != "dim_as_value" and all(isinstance(length, int) for length in shape):
            return [np.asarray(eqn.primitive.bind(*map(jax.numpy.asarray, operands), **params))]
        if name in SAME:
            return [self.add(SAME[name], *operands)]
        if name not in RULES:
            raise UserError(f"--format=onnx: the operation {name} of this network is not known; use --format=stablehlo")
        return [RULES[name](self, eqn, *operands)]

    def type(self, dtype: Any) -> int:
        """The number that ONNX gives to a type of numpy."""
        return self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))

    def shape(self, lengths: Sequence[Any]) -> Value:
        """A tensor [len(lengths)] of sizes, some of which may be symbolic."""
        if all(isinstance(length, (int, np.integer)) for length in lengths):
            return np.asarray(lengths, np.int64)
        return self.add("Concat", *(self.length(length) for length in lengths), axis=0)

    def length(self, length: Any) -> Value:
        """A size as a tensor [1]; a symbolic one is a polynomial such as 16*height*width + 6."""
        if isinstance(length, (int, np.integer)):
            return np.asarray([length], np.int64)
        total = None
        for sign, term in re.findall(r"([+-]?) ?([^ +-]+)", str(length)):
            value = np.asarray([-1 if sign == "-" else 1], np.int64)
            for factor in term.split("*"):
                value = self._product(value, self._factor(factor))
            total = value if total is None else self.add("Add", total, value)
        return total

    def _product(self, left: Value, right: Value) -> Value:
        if isinstance(left, np.ndarray) and isinstance(right, np.ndarray):
            return left * right
        one = isinstance(left, np.ndarray) and left.item() == 1
        return right if one else self.add("Mul", left, right)

    def _factor(self, factor: str) -> Value:
        if factor.isdecimal():
            return np.asarray([int(factor)], np.int64)
        if factor not in self._lengths:
            self._lengths[factor] = self._free(factor)
        return self._lengths[factor]

    def _free(self, variable: str) -> str:
        """A free size, from the input that has it or a multiple of it."""
        for name, array in self._inputs.items():
            for axis, (multiple, _, found) in enumerate(str(length).rpartition("*") for length in array.shape):
                if found == variable:
                    size = self.add("Gather", self.add("Shape", name), np.asarray([axis]))
                    return self.add("Div", size, np.asarray([int(multiple)])) if multiple else size
        raise UserError(f"--format=onnx: {variable} cannot be left open; give --batch and --size in numbers")


def _reshape(graph: Graph, eqn: core.JaxprEqn, x: Value, *_) -> str:
    return _to_shape(graph, x, eqn.outvars[0].aval.shape)


def _to_shape(graph: Graph, x: Value, shape: Sequence[Any]) -> str:
    free = [not isinstance(length, int) for length in shape]
    if sum(free) == 1:  # which ONNX works out by itself
        shape = [-1 if symbolic else length for symbolic, length in zip(free, shape)]
    return graph.add("Reshape", x, graph.shape(shape))


def _broadcast(graph: Graph, eqn: core.JaxprEqn, x: Value, *_) -> str:
    shape, kept = eqn.outvars[0].aval.shape, eqn.params["broadcast_dimensions"]
    aval = eqn.invars[0].aval
    aligned = [1] * len(shape)
    for axis, length in zip(kept, aval.shape):
        aligned[axis] = length
    x = x if tuple(aligned) == aval.shape else _to_shape(graph, x, aligned)
    return x if tuple(aligned) == shape else graph.add("Expand", x, graph.shape(shape))


def _convolve(graph: Graph, eqn: core.JaxprEqn, x: Value, kernel: Value) -> str:
    """NHWC to ONNX's NCHW and back; engines cancel the transpositions between layers."""
    p = eqn.params
    if not isinstance(kernel, np.ndarray) or p["feature_group_count"] != 1 or p["rhs_dilation"] != (1, 1):
        raise UserError("--format=onnx: a convolution of this network is not known; use --format=stablehlo")
    x = graph.add("Transpose", x, perm=p["dimension_numbers"].lhs_spec)
    oihw = kernel.transpose(p["dimension_numbers"].rhs_spec)
    (top, bottom), (left, right) = p["padding"]
    if p["lhs_dilation"] == (1, 1):
        y = graph.add("Conv", x, oihw, strides=p["window_strides"], pads=(top, left, bottom, right))
    else:
        kh, kw = oihw.shape[2:]
        ends = [kh - 1 - bottom, kw - 1 - right]
        y = graph.add(
            "ConvTranspose",
            x,
            oihw.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1],
            strides=p["lhs_dilation"],
            pads=(kh - 1 - top, kw - 1 - left, *(max(end, 0) for end in ends)),
            output_padding=[max(-end, 0) for end in ends],
        )
    return graph.add("Transpose", y, perm=np.argsort(p["dimension_numbers"].out_spec).tolist())


def _slice(graph: Graph, eqn: core.JaxprEqn, x: Value) -> str:
    p, shape = eqn.params, eqn.invars[0].aval.shape
    strides = p["strides"] or (1,) * len(shape)
    axes = [i for i, n in enumerate(shape) if (p["start_indices"][i], p["limit_indices"][i], strides[i]) != (0, n, 1)]
    bounds = [graph.shape([values[i] for i in axes]) for values in (p["start_indices"], p["limit_indices"])]
    return graph.add("Slice", x, *bounds, np.asarray(axes), np.asarray([strides[i] for i in axes]))


def _reverse(graph: Graph, eqn: core.JaxprEqn, x: Value) -> str:
    axes = np.asarray(eqn.params["dimensions"], np.int64)
    return graph.add(
        "Slice", x, np.full_like(axes, -1), np.full_like(axes, np.iinfo(np.int64).min), axes, -np.ones_like(axes)
    )


def _pad(graph: Graph, eqn: core.JaxprEqn, x: Value, value: Value) -> str:
    low, high, between = zip(*eqn.params["padding_config"])
    if any(between):
        raise UserError("--format=onnx: a padding of this network is not known; use --format=stablehlo")
    return graph.add("Pad", x, np.asarray([*low, *high], np.int64), value)


def _sum(graph: Graph, eqn: core.JaxprEqn, x: Value) -> str:
    return graph.add("ReduceSum", x, np.asarray(eqn.params["axes"], np.int64), keepdims=0)


def _max(graph: Graph, eqn: core.JaxprEqn, x: Value) -> str:
    """Over the pixels of [n, h, w, c], by what all opsets have alike."""
    if eqn.params["axes"] != (1, 2) or len(eqn.invars[0].aval.shape) != 4:
        raise UserError("--format=onnx: a maximum of this network is not known; use --format=stablehlo")
    return graph.add(
        "Squeeze", graph.add("GlobalMaxPool", graph.add("Transpose", x, perm=(0, 3, 1, 2))), np.asarray([2, 3])
    )


def _cast(graph: Graph, eqn: core.JaxprEqn, x: Value) -> str:
    return graph.add("Cast", x, to=graph.type(eqn.params["new_dtype"]))


def _size(graph: Graph, eqn: core.JaxprEqn) -> str:
    length = graph.add("Squeeze", graph.length(eqn.params["dim"]), np.asarray([0]))
    return graph.add("Cast", length, to=graph.type(eqn.outvars[0].aval.dtype))


def _dot(graph: Graph, eqn: core.JaxprEqn, x: Value, y: Value) -> str:
    if eqn.params["dimension_numbers"] != (((1,), (0,)), ((), ())):
        raise UserError("--format=onnx: a product of this network is not known; use --format=stablehlo")
    return graph.add("MatMul", x, y)


RULES: dict[str, Callable[..., str]] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": lambda graph, eqn, *xs: graph.add("Concat", *xs, axis=eqn.params["dimension"]),
    "conv_general_dilated": _convolve,
    "convert_element_type": _cast,
    "dim_as_value": _size,
    "dot_general": _dot,
    "expand_dims": _reshape,
    "integer_pow": lambda graph, eqn, x: graph.add("Pow", x, np.asarray(eqn.params["y"], np.float32)),
    "pad": _pad,
    "reduce_max": _max,
    "reduce_sum": _sum,
    "reshape": _reshape,
    "rev": _reverse,
    "round": lambda graph, eqn, x: graph.add("Round", x),
    "rsqrt": lambda graph, eqn, x: graph.add("Reciprocal", graph.add("Sqrt", x)),
    "select_n": lambda graph, eqn, which, no, yes: graph.add("Where", which, yes, no),
    "slice": _slice,
    "square": lambda graph, eqn, x: graph.add("Mul", x, x),
    "squeeze": _reshape,
    "transpose": lambda graph, eqn, x: graph.add("Transpose", x, perm=eqn.params["permutation"]),
}
