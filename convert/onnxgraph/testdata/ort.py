"""ort.py MODEL INPUTS OUTPUTS: checks an ONNX file and runs it with ONNX Runtime on the CPU."""
import sys

import onnx
import onnxruntime
from safetensors.numpy import load_file, save_file

model, inputs, outputs = sys.argv[1:]
onnx.checker.check_model(model, full_check=True)
onnx.shape_inference.infer_shapes(onnx.load(model), check_type=True, strict_mode=True, data_prop=True)
session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
feed = load_file(inputs)
feed = {i.name: feed[i.name].reshape(()) if i.name == "truncation" else feed[i.name] for i in session.get_inputs()}
names = [o.name for o in session.get_outputs()]
save_file(dict(zip(names, session.run(names, feed))), outputs)
