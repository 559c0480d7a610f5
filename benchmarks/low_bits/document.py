"""docs/schemes.md, made from the declarations of all schemes and from what was measured of them.

    python -m benchmarks.low_bits.document > docs/schemes.md

A test holds the page to this.
"""

import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.low_bits.schemes import names
from objectives.runtimes import RUNTIMES
from spaces import OBSERVERS, ROUNDINGS, SCHEMES, Layout, scheme_named
from spaces.network import network_in_words

_HERE = Path(__file__).parent
EFFECTS, LATENCIES, PEERS, SPARSE = (
    _HERE / f"{name}.jsonl" for name in ("schemes", "latencies", "peers", "sparse")
)
_SHOWN = "cifar_resnet20@1"
"""The network of the table of layouts."""

_HEAD = """\
# Schemes

Made by `python -m benchmarks.low_bits.document` from what the schemes declare of themselves and
from what was measured. A study file selects any of them, as in
`[space.quantize] scheme = ["fp32", "int8_static", "int4_weight_only+refined"]`.

A scheme is a layout, which decides the file's bytes and its latency, and a calibration, which
decides the numbers in it and costs nothing when it is run. The name of a layout's preset alone
calibrates in the plainest way: ranges from the smallest to the largest value, codes to nearest."""

_CALIBRATIONS = """\
Words behind a preset's name, each behind a `+`, in this order:

- `equalized`: channels between two layers are scaled until both have equal ranges of weights, as
  far as the network stays the same (Nagel et al. 2019, section 4.1; a ReLU6 is left as it was on
  the calibration images). For scales of a whole layer.
- One observer, of the ranges of activations (and `mse` of those of weights, where codes are to
  nearest):{observers}
- One rounding, of the weights of all layers with integer weights:{roundings}
- `bias_corrected`: biases make up for what rounding changes in the mean of what a layer gives
  (Nagel et al. 2019, section 4.2, from calibration images); roundings then look at the rest.

All roundings but nearest, and `bias_corrected`, round one layer after another by what it reads on
the calibration images (`data.calibration_images`, 128) in the network as it is and in the one whose
earlier layers are rounded. That takes seconds to minutes, is kept in the stage cache, and goes on
where it was when the process is killed. Layers with more than 400 million outputs times squared
inputs, as at the end of a ResNet-18, are rounded by gpfq in place of the slower three."""

_LAYOUTS = """\
Bytes of a {network} and its latency on one thread beside fp32 in the same run, by runtime
(`python -m benchmarks.low_bits.latencies`, {device});
`-` where the runtime cannot run it, or was not there. Weight-only layouts are floats again once
they are loaded: they save bytes, not time. OpenVINO takes no file with functions in it (5 to 7, 3
and 2 bits, blocks)."""

_BY_LAYER = """\
`by_layer_N`, with N from 2 to 8: weights as in `intN_weight_only`, 8, 4, 3 or 2 bits a layer and
no more than N a weight on average, by what each layer loses alone (`python -m search.sensitivity`,
whose table goes into the study file). Not by executorch or openvino."""

_SPARSE = """\
Of a student whose weights were pruned (`prune.removes = "weights"`) these store the weights that
are not zero, and a bit for every weight that says which they are: {presets}. Loaded, such a file is
the one with all weights: the same logits, kernels and latency. A layer whose zeros do not pay for
the bits is stored as ever, so of a student that was not pruned the file is as large as without the
word. Roundings leave a zero weight zero. All are read by onnxruntime, those of 8 and 4 bits and of
floats by OpenVINO, none by ExecuTorch. A student made for a layout (`quantize_aware`) has the
sparse one too.{measured}"""

_SPARSE_MEASURED = """

Bytes of a {network} by share of zeros, its latency beside fp32 of the whole network in the same
run, and seconds to load (`python -m benchmarks.low_bits.sparse`, onnxruntime, one thread). "gzip"
is what gzip makes of the file with all weights and of the sparse one: a download, not what a device
holds."""

_EFFECTS = """\
[{study}.toml](../benchmarks/low_bits/{study}.toml) by `python -m benchmarks.low_bits.schemes`: the
artifact's accuracy on {images:,} test images in percent, mean over sets of 128 calibration images
(how many stands under "sets") and their standard deviation; what is lost of fp32's {whole:.2f}; CPU
seconds to choose ranges and codes, on one thread."""


_PEERS = """\
`python -m benchmarks.low_bits.peers STUDY JOURNAL`: the same weights and the same 128 calibration
images, all files scored on {images:,} test images and timed in turn on one thread by onnxruntime.
± is the standard error of what is lost of the float file, image by image. Seconds are CPU seconds
to make the file; torchao's include its export, as it exports every set of weights anew. torchao and
NNCF leave biases in floats, which is smaller; onnxruntime before 1.24 (tried: 1.20, 1.22) then runs
the convolutions in floats, so ours are integers."""


def schemes_page(
    effects: Sequence[Mapping[str, Any]],
    costs: Sequence[Mapping[str, Any]],
    peers: Sequence[Mapping[str, Any]],
    sparse: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Return the page as Markdown; of journals' lines."""
    parts = [_HEAD, "## Layouts", *_layouts(costs), _BY_LAYER, "## Without zeros", *_sparse(sparse)]
    parts += ["## Calibrations", _calibrations()]
    for network in dict.fromkeys(line["network"] for line in effects):
        own = [line for line in effects if line["network"] == network]
        parts += [f"## {network_in_words(network)}", *_effects(network, own)]
    if peers:
        parts += ["## Beside other tools", _PEERS.format(images=peers[0]["images"])]
    for network in dict.fromkeys(line["network"] for line in peers):
        own = [line for line in peers if line["network"] == network]
        parts += [f"{network_in_words(network)}:", _peers(own)]
    return "\n\n".join(parts) + "\n"


def lines(journal: Path) -> list[dict[str, Any]]:
    """Return what a journal has, nothing where there is none."""
    if not journal.is_file():
        return []
    return [json.loads(line) for line in journal.read_text().splitlines()]


def _table(head: Sequence[str], rows: Iterator[Sequence[str]]) -> str:
    written = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in written)


def _calibrations() -> str:
    def listed(words: Mapping[str, str], plain: str) -> str:
        return "".join(f"\n  - `{name}`: {said}" for name, said in words.items() if name != plain)

    return _CALIBRATIONS.format(
        observers=listed(OBSERVERS, "min_max"), roundings=listed(ROUNDINGS, "nearest")
    )


def _layouts(costs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    shown = [line for line in costs if line["network"] == _SHOWN]
    by_place = {(line["runtime"], line["layout"]): line for line in shown}
    device = next((line["device"]["processor"] for line in shown), "no machine yet")
    yield _LAYOUTS.format(network=network_in_words(_SHOWN), device=device)

    def rows() -> Iterator[Sequence[str]]:
        for name, scheme in SCHEMES.items():
            if scheme.layout.is_sparse:
                continue
            own = [by_place.get((runtime, scheme.layout.key)) for runtime in RUNTIMES]
            size = next((f"{line['bytes']:,}" for line in own if line), "")
            ratios = [f"{line['ratio']:.2f}" if line else "-" for line in own]
            yield [f"`{name}`", f"`{scheme.layout.key}`", _words(scheme.layout), size, *ratios]

    yield _table(["preset", "layout", "what is in the file", "bytes", *RUNTIMES], rows())


def _sparse(measured: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    presets = {name: one.layout for name, one in SCHEMES.items() if one.layout.is_sparse}
    network = network_in_words(measured[0]["network"]) if measured else ""
    yield _SPARSE.format(
        presets=", ".join(f"`{name}`" for name in presets),
        measured=_SPARSE_MEASURED.format(network=network) if measured else "",
    )
    by_place = {(line["zeros"], line["layout"]): line for line in measured}

    def rows() -> Iterator[Sequence[str]]:
        for zeros in sorted({line["zeros"] for line in measured if line["zeros"]}):
            for name, layout in presets.items():
                own, dense = (by_place.get((zeros, one.key)) for one in (layout, layout.dense))
                if own is None:
                    continue
                yield [
                    f"{zeros:.0%}",
                    f"`{name}`",
                    f"{dense['bytes']:,}" if dense else "",
                    f"{own['bytes']:,}",
                    f"{dense['gzip_bytes']:,}" if dense else "",
                    f"{own['gzip_bytes']:,}",
                    f"{own['ratio']:.2f}",
                    f"{own['load_s']:.3f}",
                ]

    if measured:
        head = ["zeros", "preset", "all weights", "bytes", "gzip, all", "gzip", "latency", "load s"]
        yield _table(head, rows())


def _words(layout: Layout) -> str:
    first = (inspect.getdoc(type(layout)) or "").splitlines()[0].rstrip(".")
    granularity = getattr(layout, "granularity", None)
    scales = {"channel": "channel", "tensor": "layer", "block32": "32 weights"}.get(
        granularity or ""
    )
    return (
        first if scales is None else f"{first}; {layout.weight_bits} bits, one scale per {scales}"
    )


def _effects(network: str, own: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    by_scheme: dict[str, list[Mapping[str, Any]]] = {}
    for line in own:
        by_scheme.setdefault(line["scheme"], []).append(line)
    whole = mean(line["accuracy"] for line in by_scheme["fp32"])
    study = network.partition("@")[0].removeprefix("cifar_")
    yield _EFFECTS.format(study=study, images=own[0]["images"], whole=whole)

    def rows() -> Iterator[Sequence[str]]:
        for name in names():
            measured = by_scheme.get(name, [])
            if not measured:
                continue
            values = [line["accuracy"] for line in measured]
            spread = f" ± {stdev(values):.2f}" if len(values) > 1 else ""
            seconds = min(line["seconds"] for line in measured)
            yield [
                f"`{name}`",
                f"`{scheme_named(name).layout.key}`",
                f"{measured[0]['bytes']:,}",
                f"{mean(values):.2f}{spread}",
                f"{mean(values) - whole:+.2f}",
                f"{seconds:.1f}",
                str(len(values)),
            ]

    yield _table(["scheme", "layout", "bytes", "accuracy", "of fp32", "seconds", "sets"], rows())


def _peers(own: Sequence[Mapping[str, Any]]) -> str:
    def rows() -> Iterator[Sequence[str]]:
        for line in own:
            named = [line["tool"], f"`{line['settings']}`"]
            if line["reason"]:
                yield [*named, line["reason"][:90].replace("|", " "), "", "", ""]
                continue
            ratio = line["latency_ms"] / line["float_latency_ms"]
            accuracy = f"{line['accuracy']:.2f} ± {line['accuracy_error']:.2f}"
            measured = [accuracy, f"{line['bytes']:,}", f"{ratio:.2f}", f"{line['seconds']:.1f}"]
            yield [*named, *measured]

    head = ["tool", "settings", "accuracy", "bytes", "latency beside float", "seconds"]
    return _table(head, rows())


if __name__ == "__main__":
    print(schemes_page(*map(lines, (EFFECTS, LATENCIES, PEERS, SPARSE))), end="")
