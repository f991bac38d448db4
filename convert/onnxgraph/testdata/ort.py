"""Checks ONNX files and runs them with ONNX Runtime on the CPU: one a line of its input, as a
JSON list of MODEL, INPUTS and OUTPUTS. It answers a line, ok or what went wrong."""
import json
import sys

import onnx
import onnxruntime
from safetensors.numpy import load_file, save_file


def run(model, inputs, outputs):
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(onnx.load(model), check_type=True, strict_mode=True, data_prop=True)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    feed = load_file(inputs)
    feed = {i.name: feed[i.name].reshape(()) if i.name == "truncation" else feed[i.name] for i in session.get_inputs()}
    names = [o.name for o in session.get_outputs()]
    save_file(dict(zip(names, session.run(names, feed))), outputs)


for line in sys.stdin:
    try:
        run(*json.loads(line))
        print("ok", flush=True)
    except Exception as e:  # told, and the next may work
        print(repr(e), flush=True)
