"""The same work here and in the peers, interleaved in one run on one machine.

BIGGAN is the program, MODEL one of those that `biggan synth` makes; its weights are the same
everywhere. Each round measures every peer once, as the median of some runs in a row after one
that warms up: PyTorch (Hugging Face's port; for the original networks, which it lacks, the
exported graph's operations), ONNX Runtime on the graph that `biggan export --to onnx` writes,
and `biggan bench` in float32 and bfloat16. --all adds PyTorch in channels_last and compiled, and
ONNX Runtime on the graph that torch.onnx exports. Medians over the rounds, spread, and ratios to
ONNX Runtime, round by round. --cold adds processes from their start to one picture, and their
peak anonymous memory. Needs numpy, torch, pytorch_pretrained_biggan, onnxruntime and onnx; --all
also onnxscript and, to compile, a C++ compiler.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
BASE = "onnxruntime"  # what ratios are to
THREADS = len(os.sched_getaffinity(0))

PEERS = """
import json, statistics, sys, time
sys.path.insert(0, {folder!r})
import peers
run = peers.{make}({path!r})
run()
print("ready", flush=True)
for line in sys.stdin:
    run()
    times = []
    for _ in range(int(line)):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    print(statistics.median(times), flush=True)
"""


def onnxruntime_session(path):
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    random, inputs = np.random.default_rng(0), {}
    for i in session.get_inputs():
        shape = [d if isinstance(d, int) else 1 for d in i.shape]
        value = np.full(shape, 0.5, np.float32)
        if i.name == "z":
            value = (random.standard_normal(shape) * 0.5).astype(np.float32)
        elif i.name == "y":
            value = np.eye(shape[1], dtype=np.float32)[3:4]
        inputs[i.name] = value
    return lambda: session.run(None, inputs)


def begin_torch():
    import torch

    torch.set_num_threads(THREADS)
    torch.set_grad_enabled(False)
    return torch


def hugging_face(folder):
    """The port and its inputs."""
    torch = begin_torch()
    from pytorch_pretrained_biggan.config import BigGANConfig
    from pytorch_pretrained_biggan.model import BigGAN

    config = BigGANConfig.from_json_file(folder + "/config.json")
    model = BigGAN(config)
    model.load_state_dict(torch.load(folder + "/pytorch_model.bin", map_location="cpu", weights_only=True), strict=False)
    model.eval()
    z, y = torch.randn(1, config.z_dim), torch.zeros(1, config.num_classes)
    y[0, 3] = 1
    return model, (z, y, 0.5)


# Where the ONNX operations take shapes, axes and bounds: whole numbers that PyTorch wants in Python.
WHOLE = {"Slice": (1, 2, 3, 4), "Reshape": (1,), "Unsqueeze": (1,), "Squeeze": (1,), "Expand": (1,), "Resize": (2,)}


def exported_graph(path):
    """The exported graph as a module, operation by operation, and its inputs."""
    import onnx
    from onnx import numpy_helper

    torch = begin_torch()
    graph = onnx.load(path).graph
    arrays = {t.name: numpy_helper.to_array(t) for t in graph.initializer}
    nodes = [(n.op_type, list(n.input), list(n.output), {a.name: onnx.helper.get_attribute_value(a) for a in n.attribute}) for n in graph.node]
    numbers = {names[i]: arrays[names[i]].tolist() for op, names, _, _ in nodes for i in WHOLE.get(op, ()) if i < len(names) and names[i] in arrays}

    class Graph(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.places = {}
            for name, array in arrays.items():
                if name not in numbers:
                    self.places[name] = f"constant_{len(self.places)}"
                    self.register_buffer(self.places[name], torch.from_numpy(array.copy()))

        def forward(self, *given):
            values = {name: getattr(self, place) for name, place in self.places.items()}
            values.update(numbers)
            values.update(zip([i.name for i in graph_inputs], given))
            return run_graph(nodes, values)[output]

    graph_inputs, output = list(graph.input), graph.output[0].name
    inputs = []
    for i in graph_inputs:
        shape = [d.dim_value or 1 for d in i.type.tensor_type.shape.dim]
        value = torch.full(shape, 0.5)
        if i.name == "z":
            value = torch.randn(shape) * 0.5
        elif i.name == "y":
            value = torch.eye(shape[1])[3:4]
        inputs.append(value)
    return Graph().eval(), tuple(inputs)


def in_torch(path):
    """What PyTorch runs: of a folder Hugging Face's port, of a file the exported graph."""
    return hugging_face(path) if os.path.isdir(path) else exported_graph(path)


def torch_eager(path):
    model, inputs = in_torch(path)
    return lambda: model(*inputs)


def torch_channels_last(path):
    model, inputs = in_torch(path)
    model = model.to(memory_format=begin_torch().channels_last)
    return lambda: model(*inputs)


def torch_compile(path):
    model, inputs = in_torch(path)
    model = begin_torch().compile(model)
    return lambda: model(*inputs)


def export_by_torch(path, out):
    """Writes PyTorch's own ONNX graph of the network, at the truncation 0.5."""
    model, inputs = in_torch(path)
    begin_torch().onnx.export(model, inputs, out, dynamo=True, verbose=False)


def run_graph(nodes, values):
    for op, names, outputs, attributes in nodes:
        result = OPERATIONS[op](attributes, *[values[n] if n else None for n in names])
        for name, value in zip(outputs, result if isinstance(result, tuple) else (result,)):
            values[name] = value
    return values


def _operations():
    import torch
    import torch.nn.functional as f

    def gemm(a, x, w, b=None):
        x = x.T if a.get("transA") else x
        w = w.T if a.get("transB") else w
        y = a.get("alpha", 1.0) * (x @ w)
        return y if b is None else y + a.get("beta", 1.0) * b

    def take(a, x, starts, ends, axes=None, steps=None):
        for d, (start, end) in enumerate(zip(starts, ends)):
            axis = d if axes is None else axes[d]
            start, end = (v + x.shape[axis] if v < 0 else v for v in (start, min(end, x.shape[axis])))
            x = x.narrow(axis, start, end - start)
        return x

    def reshape(a, x, shape):
        return x.reshape([x.shape[i] if s == 0 else s for i, s in enumerate(shape)])

    def conv(a, x, w, b=None):
        pads = a.get("pads", [0, 0, 0, 0])
        return f.conv2d(x, w, b, padding=pads[:2])

    def resize(a, x, roi=None, scales=None, sizes=None):
        return f.interpolate(x, scale_factor=scales[2:], mode="nearest")

    return {
        "Add": lambda a, x, y: x + y,
        "Sub": lambda a, x, y: x - y,
        "Mul": lambda a, x, y: x * y,
        "Div": lambda a, x, y: x / y,
        "Sqrt": lambda a, x: x.sqrt(),
        "Pow": lambda a, x, y: x**y,
        "Relu": lambda a, x: x.relu(),
        "Tanh": lambda a, x: x.tanh(),
        "Floor": lambda a, x: x.floor(),
        "Round": lambda a, x: x.round(),
        "Abs": lambda a, x: x.abs(),
        "Less": lambda a, x, y: x < y,
        "LessOrEqual": lambda a, x, y: x <= y,
        "Where": lambda a, c, x, y: torch.where(c, x, y),
        "Min": lambda a, *x: torch.stack(torch.broadcast_tensors(*x)).amin(0),
        "Max": lambda a, *x: torch.stack(torch.broadcast_tensors(*x)).amax(0),
        "Clip": lambda a, x, lo=None, hi=None: x.clamp(lo, hi),
        "Cast": lambda a, x: x.to({1: torch.float32, 6: torch.int32, 7: torch.int64, 9: torch.bool, 11: torch.float64}[a["to"]]),
        "Identity": lambda a, x: x,
        "MatMul": lambda a, x, y: x @ y,
        "Gemm": gemm,
        "Conv": conv,
        "Reshape": reshape,
        "Transpose": lambda a, x: x.permute(a["perm"]),
        "Concat": lambda a, *x: torch.cat(x, a["axis"]),
        "Slice": take,
        "Gather": lambda a, x, i: x.index_select(a.get("axis", 0), i.reshape(-1)).reshape(*x.shape[: a.get("axis", 0)], *i.shape, *x.shape[a.get("axis", 0) + 1 :]),
        "Unsqueeze": lambda a, x, axes: x.reshape([*x.shape[: axes[0]], *([1] * len(axes)), *x.shape[axes[0] :]]),
        "Squeeze": lambda a, x, axes=None: x.squeeze() if axes is None else x.squeeze(*axes),
        "MaxPool": lambda a, x: f.max_pool2d(x, a["kernel_shape"], a.get("strides")),
        "Softmax": lambda a, x: x.softmax(a.get("axis", -1)),
        "Resize": resize,
        "Shape": lambda a, x: torch.tensor(x.shape),
        "Expand": lambda a, x, shape: x + torch.zeros(shape),
        "BatchNormalization": lambda a, x, s, b, m, v: f.batch_norm(x, m, v, s, b, eps=a.get("epsilon", 1e-5)),
    }


class _Lazy(dict):
    def __missing__(self, key):
        self.update(_operations())
        return dict.__getitem__(self, key)


OPERATIONS = _Lazy()


class Peer:
    """A process that holds a peer and runs it when told to."""

    def __init__(self, make, path):
        code = PEERS.format(folder=HERE, make=make, path=path)
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True)

    def line(self):
        line = self.process.stdout.readline()
        if not line:
            self.errors.seek(0)
            raise RuntimeError(self.errors.read()[-2000:])
        return line

    def wait(self):
        """Returns when the peer has run once."""
        self.line()

    def measure(self, runs):
        self.process.stdin.write(f"{runs}\n")
        self.process.stdin.flush()
        return float(self.line())

    def close(self):
        """Ends the process; MB of anonymous memory that it held."""
        held = anonymous(self.process.pid)
        self.process.stdin.close()
        self.process.wait()
        return held * 1024 / 1e6


class Ours:
    def __init__(self, biggan, path, precision):
        self.command = [biggan, "bench", "-m", path, "--precision", precision, "--backend", "cpu", "--json", "-q"]
        self.last = None

    def wait(self):
        pass

    def measure(self, runs):
        self.last = json.loads(subprocess.run([*self.command, "--rounds", str(runs)], check=True, capture_output=True).stdout)
        return self.last["ms_per_image"]

    def close(self):
        return self.last["peak_bytes"] / 1e6

    def work(self):
        """GFLOP an image: of the plain graph, and of the products that are done."""
        layers = self.last["layers"]
        return self.last["gflops"] * self.last["ms_per_image"] / 1e3, sum(l["gflops_done"] * l["ms"] for l in layers) / 1e3


def anonymous(process):
    """kB of anonymous memory; 0 of a process that has just ended."""
    try:
        with open(f"/proc/{process}/status") as status:
            return int(re.search(r"RssAnon:\s+(\d+)", status.read()).group(1))
    except (OSError, AttributeError):
        return 0


def cold(command):
    """Wall time in seconds, peak anonymous MB of a process."""
    start, peak = time.time(), 0
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, anonymous(process.pid))
        time.sleep(0.002)
    if process.returncode != 0:
        sys.exit(f"{command[0]}: exit code {process.returncode}")
    return time.time() - start, peak * 1024 / 1e6


def python(call):
    """The command that calls a function of this file."""
    return [sys.executable, "-c", f"import sys; sys.path.insert(0, {HERE!r}); import peers; peers.{call}"]


def flags():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("biggan", metavar="BIGGAN")
    p.add_argument("model", metavar="MODEL")
    p.add_argument("rounds", metavar="ROUNDS", nargs="?", type=int, default=5)
    p.add_argument("--runs", type=int, default=5, help="runs in a row that a measurement is the median of (default 5)")
    p.add_argument("--all", action="store_true", help="every peer")
    p.add_argument("--without-torch", action="store_true", help="no PyTorch")
    p.add_argument("--cold", action="store_true", help="cold processes too")
    p.add_argument("--json", metavar="FILE", help="write a report")
    return p.parse_args()


def start(asked, folder):
    """The peers by name, and what they could not be made for."""
    biggan = os.path.abspath(asked.biggan)
    weights, graph, hf, own = (os.path.join(folder, n) for n in ("m.safetensors", "m.onnx", "hf", "torch.onnx"))
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([biggan, "synth", asked.model, "-o", weights, "-q"], **quiet)
    subprocess.run([biggan, "export", weights, "--to", "onnx", "-o", graph, "-q"], **quiet)
    source = graph
    if "deep" in asked.model:
        subprocess.run([biggan, "export", weights, "--to", "hf", "-o", hf, "-q"], **quiet)
        source = hf
    every = {BASE: lambda: Peer("onnxruntime_session", graph)}
    if not asked.without_torch:
        every["torch"] = lambda: Peer("torch_eager", source)
    if asked.all:

        def exported():
            subprocess.run(python(f"export_by_torch({source!r}, {own!r})"), check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            return Peer("onnxruntime_session", own)

        every["torch channels_last"] = lambda: Peer("torch_channels_last", source)
        every["torch compile"] = lambda: Peer("torch_compile", source)
        every["onnxruntime of torch"] = exported
    every["biggan"] = lambda: Ours(biggan, weights, "f32")
    every["biggan bf16"] = lambda: Ours(biggan, weights, "bf16")
    peers, failed = {}, {}
    for name, make in every.items():
        try:
            peer = make()
            peer.wait()
            peers[name] = peer
        except (RuntimeError, subprocess.CalledProcessError) as e:
            if name in (BASE, "biggan"):
                raise
            said = (getattr(e, "stderr", None) or str(e)).strip()
            failed[name] = said.splitlines()[-1] if said else repr(e)
    picture = [biggan, "generate", "-m", weights, "-c", "3", "-n", "1", "-o", folder + "/x.png", "--force", "-q"]
    processes = {"biggan": picture, BASE: python(f"onnxruntime_session({graph!r})()"), "torch": python(f"torch_eager({source!r})()")}
    return peers, failed, processes


def compare(asked, peers):
    """Measures every peer once a round."""
    times = {name: [] for name in peers}
    for _ in range(asked.rounds):
        for name, peer in peers.items():
            times[name].append(peer.measure(asked.runs))
    plain, done = peers["biggan"].work()
    report = {}
    for name, t in times.items():
        ms = statistics.median(t)
        # The ratio is of each round, then the median: what slows the machine slows a whole round.
        report[name] = {"ms": ms, "fastest": min(t), "slowest": max(t), "gflops effective": plain / ms * 1e3, "anonymous MB": peers[name].close(), "all": t}
        for base in (BASE, "torch"):
            if base in times:
                ratios = [b / x for b, x in zip(times[base], t)]
                report[name]["times " + base], report[name]["each times " + base] = statistics.median(ratios), ratios
                report[name]["fastest times " + base] = min(times[base]) / min(t)
        if isinstance(peers[name], Ours):
            report[name]["gflops done"] = peers[name].work()[1] / ms * 1e3
    return report


def main():
    asked = flags()
    with tempfile.TemporaryDirectory() as folder:
        peers, failed, processes = start(asked, folder)
        report = {"model": asked.model, "threads": THREADS, "rounds": asked.rounds, "runs": asked.runs, "failed": failed}
        report.update(compare(asked, peers))
        report["bench"] = {name: p.last for name, p in peers.items() if isinstance(p, Ours)}
        if asked.cold:
            report["cold"] = {}
            for name, command in processes.items():
                runs = [cold(command) for _ in range(3)]
                report["cold"][name] = {"seconds": statistics.median(s for s, _ in runs), "peak anonymous MB": max(m for _, m in runs)}
    write(report, list(peers))
    if asked.json:
        with open(asked.json, "w") as f:
            json.dump(report, f, indent=1)


def write(report, names):
    print(f"{report['model']}, {report['threads']} threads, {report['rounds']} rounds, each the median of {report['runs']} runs")
    print(f"{'':21}{'ms':>8}{'fastest':>9}{'slowest':>9}{'x ort':>7}{'fastest':>9}{'x torch':>9}{'GFLOP/s':>9}{'done':>6}{'MB':>6}")
    for name in names:
        r = report[name]
        torch = f"{r['times torch']:9.2f}" if "times torch" in r else " " * 9
        done = f"{r['gflops done']:6.0f}" if "gflops done" in r else f"{'-':>6}"
        print(f"{name:21}{r['ms']:8.1f}{r['fastest']:9.1f}{r['slowest']:9.1f}{r['times ' + BASE]:7.2f}{r['fastest times ' + BASE]:9.2f}{torch}{r['gflops effective']:9.0f}{done}{r['anonymous MB']:6.0f}")
    print("GFLOP/s of the plain graph, and done in products; MB of anonymous memory: at the end, of biggan at the peak")
    for name, why in report["failed"].items():
        print(f"{name}: not measured: {why}")
    for name, c in report.get("cold", {}).items():
        print(f"{name:21} cold process {c['seconds']:.2f} s, peak anonymous {c['peak anonymous MB']:.0f} MB")


if __name__ == "__main__":
    main()
