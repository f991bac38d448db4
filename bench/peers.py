"""The same work here and in the peers, interleaved in one run on one machine.

usage: peers.py BIGGAN MODEL [ROUNDS] [--without-torch] [--cold] [--json FILE]

BIGGAN is the program, MODEL one of those that `biggan synth` makes; its weights are the same
everywhere. Each round measures every peer once: PyTorch (Hugging Face's port; for the original
networks, which it lacks, the exported graph's operations), ONNX Runtime on the graph that
`biggan export --to onnx` writes, and `biggan bench` in float32 and bfloat16. Medians, spread,
and ratios to ONNX Runtime. --cold adds processes from their start to one picture, and their
peak anonymous memory. Needs numpy, torch, pytorch_pretrained_biggan and onnxruntime.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

THREADS = len(os.sched_getaffinity(0))

PEERS = """
import sys, time
import numpy as np
sys.path.insert(0, {folder!r})
import peers
run = peers.{make}({path!r})
run()
for line in sys.stdin:
    start = time.perf_counter()
    run()
    print((time.perf_counter() - start) * 1e3, flush=True)
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


def torch_hugging_face(folder):
    import torch
    from pytorch_pretrained_biggan.config import BigGANConfig
    from pytorch_pretrained_biggan.model import BigGAN

    torch.set_num_threads(THREADS)
    torch.set_grad_enabled(False)
    config = BigGANConfig.from_json_file(folder + "/config.json")
    model = BigGAN(config)
    model.load_state_dict(torch.load(folder + "/pytorch_model.bin", map_location="cpu", weights_only=True), strict=False)
    model.eval()
    z, y = torch.randn(1, config.z_dim), torch.zeros(1, config.num_classes)
    y[0, 3] = 1
    return lambda: model(z, y, 0.5)


def torch_graph(path):
    """The exported graph, operation by operation."""
    import numpy as np
    import onnx
    import torch
    from onnx import numpy_helper

    torch.set_num_threads(THREADS)
    torch.set_grad_enabled(False)
    graph = onnx.load(path).graph
    constants = {t.name: torch.from_numpy(numpy_helper.to_array(t).copy()) for t in graph.initializer}
    nodes = [(n.op_type, list(n.input), list(n.output), {a.name: onnx.helper.get_attribute_value(a) for a in n.attribute}) for n in graph.node]
    inputs = {}
    for i in graph.input:
        shape = [d.dim_value or 1 for d in i.type.tensor_type.shape.dim]
        inputs[i.name] = torch.full(shape, 0.5)
        if i.name == "z":
            inputs[i.name] = torch.randn(shape) * 0.5
        elif i.name == "y":
            inputs[i.name] = torch.eye(shape[1])[3:4]
    return lambda: run_graph(nodes, {**constants, **inputs})


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
        for d, (start, end) in enumerate(zip(starts.tolist(), ends.tolist())):
            axis = d if axes is None else axes.tolist()[d]
            start, end = (v + x.shape[axis] if v < 0 else v for v in (start, min(end, x.shape[axis])))
            x = x.narrow(axis, start, end - start)
        return x

    def reshape(a, x, shape):
        return x.reshape([x.shape[i] if s == 0 else s for i, s in enumerate(shape.tolist())])

    def conv(a, x, w, b=None):
        pads = a.get("pads", [0, 0, 0, 0])
        return f.conv2d(x, w, b, padding=pads[:2])

    def resize(a, x, roi=None, scales=None, sizes=None):
        return f.interpolate(x, scale_factor=scales.tolist()[2:], mode="nearest")

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
        "Unsqueeze": lambda a, x, axes: x.reshape([*x.shape[: axes.tolist()[0]], *([1] * len(axes)), *x.shape[axes.tolist()[0] :]]),
        "Squeeze": lambda a, x, axes=None: x.squeeze() if axes is None else x.squeeze(*axes.tolist()),
        "MaxPool": lambda a, x: f.max_pool2d(x, a["kernel_shape"], a.get("strides")),
        "Softmax": lambda a, x: x.softmax(a.get("axis", -1)),
        "Resize": resize,
        "Shape": lambda a, x: torch.tensor(x.shape),
        "Expand": lambda a, x, shape: x + torch.zeros(shape.tolist()),
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
        code = PEERS.format(folder=os.path.dirname(os.path.abspath(__file__)), make=make, path=path)
        self.process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def measure(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            sys.exit(self.process.stderr.read())
        return float(line)


class Ours:
    def __init__(self, biggan, path, precision):
        self.command = [biggan, "bench", "-m", path, "--precision", precision, "--backend", "cpu", "--rounds", "1", "--json", "-q"]
        self.last = None

    def measure(self):
        self.last = json.loads(subprocess.run(self.command, check=True, capture_output=True).stdout)
        return self.last["ms_per_image"]


def cold(command):
    """Wall time in seconds, peak anonymous MB of a process."""
    start, peak = time.time(), 0
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as status:
                peak = max(peak, int(re.search(r"RssAnon:\s+(\d+)", status.read()).group(1)))
        except (OSError, AttributeError):
            pass  # it has just ended
        time.sleep(0.002)
    if process.returncode != 0:
        sys.exit(f"{command[0]}: exit code {process.returncode}")
    return time.time() - start, peak * 1024 / 1e6


def main():
    flags = [a for a in sys.argv[1:] if a.startswith("--")]
    arguments = [a for a in sys.argv[1:] if not a.startswith("--") and not a.endswith(".json")]
    biggan, model = os.path.abspath(arguments[0]), arguments[1]
    rounds = int(arguments[2]) if len(arguments) > 2 else 5
    with tempfile.TemporaryDirectory() as folder:
        weights, graph, hf = (os.path.join(folder, n) for n in ("m.safetensors", "m.onnx", "hf"))
        quiet = {"check": True, "stdout": subprocess.DEVNULL}
        subprocess.run([biggan, "synth", model, "-o", weights, "-q"], **quiet)
        subprocess.run([biggan, "export", weights, "--to", "onnx", "-o", graph, "-q"], **quiet)
        torch = ("torch_graph", graph)
        if "deep" in model:
            subprocess.run([biggan, "export", weights, "--to", "hf", "-o", hf, "-q"], **quiet)
            torch = ("torch_hugging_face", hf)
        report = {"model": model, "threads": THREADS, "rounds": rounds}
        peers = {"onnxruntime": Peer("onnxruntime_session", graph)}
        if "--without-torch" not in flags:
            peers["torch"] = Peer(*torch)
        ours = {"biggan": Ours(biggan, weights, "f32"), "biggan bf16": Ours(biggan, weights, "bf16")}
        every = {**peers, **ours}
        times = {name: [] for name in every}
        for _ in range(rounds):
            for name, peer in every.items():
                times[name].append(peer.measure())
        for peer in peers.values():
            peer.process.stdin.close()
            peer.process.wait()
        base = times["onnxruntime"]
        for name, t in times.items():
            # Peers and ours run as often, so the fastest runs can be compared too: on a busy
            # machine they are the ones that nothing disturbed. The ratio is of each
            # round, then the median: what slows the machine slows a whole round.
            ratio = statistics.median(b / x for b, x in zip(base, t))
            report[name] = {"fastest times onnxruntime": min(base) / min(t), "ms": statistics.median(t), "fastest": min(t), "slowest": max(t), "times onnxruntime": ratio, "all": t}
        if "torch" in peers:
            report["times torch"] = statistics.median(b / x for b, x in zip(times["torch"], times["biggan"]))
        report["bench"] = {name: o.last for name, o in ours.items()}
        if "--cold" in flags:
            picture = [biggan, "generate", "-m", weights, "-c", "3", "-n", "1", "-o", folder + "/x.png", "--force", "-q"]
            here = os.path.dirname(os.path.abspath(__file__))
            once = lambda make, path: [sys.executable, "-c", f"import sys; sys.path.insert(0, {here!r}); import peers; peers.{make}({path!r})()"]
            report["cold"] = {}
            for name, command in (("biggan", picture), ("onnxruntime", once("onnxruntime_session", graph)), ("torch", once(*torch))):
                runs = [cold(command) for _ in range(3)]
                report["cold"][name] = {"seconds": statistics.median(s for s, _ in runs), "peak anonymous MB": max(m for _, m in runs)}
    print(f"{model}, {THREADS} threads, {rounds} rounds")
    for name in every:
        r = report[name]
        print(f"{name:12} {r['ms']:8.1f} ms ({r['fastest']:.1f} to {r['slowest']:.1f}), {r['times onnxruntime']:.2f} times as fast as onnxruntime (fastest runs: {r['fastest times onnxruntime']:.2f})")
    if "times torch" in report:
        print(f"biggan is {report['times torch']:.2f} times as fast as torch")
    for name, c in report.get("cold", {}).items():
        print(f"{name:12} cold process {c['seconds']:.2f} s, peak anonymous {c['peak anonymous MB']:.0f} MB")
    if "--json" in flags:
        with open(next(a for a in sys.argv[1:] if a.endswith(".json")), "w") as f:
            json.dump(report, f, indent=1)


if __name__ == "__main__":
    main()
