"""Runs an ONNX file, whose outputs are what is kept, with ONNX Runtime on the CPU."""

import recording

numpy, onnxruntime = recording.need("numpy", "onnxruntime")
job = recording.job()
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = job["threads"]
session = onnxruntime.InferenceSession(job["model"], options, providers=["CPUExecutionProvider"])
inputs = recording.load(job["input"])
feed = {i.name: inputs[i.name].reshape(()) if i.name == "truncation" else inputs[i.name] for i in session.get_inputs()}
names = [o.name for o in session.get_outputs()]
recording.save(job["output"], dict(zip(names, session.run(names, feed))), {"onnxruntime": onnxruntime.__version__})
