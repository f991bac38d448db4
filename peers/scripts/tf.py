"""Runs a TF Hub module, a folder or a .tar.gz, in a graph session of TensorFlow."""
import os
import tarfile

import recording

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
numpy, tensorflow, hub = recording.need("numpy", "tensorflow", "tensorflow_hub")
if not hasattr(hub, "Module"):
    recording.lack(f"tensorflow_hub {hub.__version__} has no Module, which runs modules of its first format")
tf = tensorflow.compat.v1
job = recording.job()


def unpacked(path):
    """The module's folder: of an archive, its files and nothing else are written beside the job."""
    if os.path.isdir(path):
        return path
    folder = os.path.join(os.path.dirname(job["output"]), "module")
    os.makedirs(os.path.join(folder, "variables"))
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            name = os.path.normpath(member.name)
            if member.isfile() and (name in ("saved_model.pb", "tfhub_module.pb") or os.path.dirname(name) == "variables"):
                with open(os.path.join(folder, name), "wb") as f:
                    f.write(archive.extractfile(member).read())
    return folder


def sums(tensor):
    """Sums of two maps of one shape that a tensor is made of, those nearest to the inputs first."""
    order, seen, stack = [], set(), [(tensor.op, False)]
    while stack:
        op, visited = stack.pop()
        if visited:
            shapes = [t.shape for t in (*op.inputs, *op.outputs)]
            if op.type in ("Add", "AddV2") and all(s.rank == 4 and s[1] != 1 for s in shapes):
                if len({tuple(s.as_list()) for s in shapes}) == 1:
                    order.append(op.outputs[0])
        elif op.name not in seen:
            seen.add(op.name)
            stack.append((op, True))
            stack.extend((t.op, False) for t in op.inputs)
    return order


inputs = recording.load(job["input"])
config = tf.ConfigProto(intra_op_parallelism_threads=job["threads"])
with tf.Graph().as_default(), tf.Session(config=config) as session:
    module = hub.Module(unpacked(job["model"]))
    image = module({k: tf.constant(inputs[k].reshape(()) if k == "truncation" else inputs[k]) for k in ("z", "y", "truncation")})
    session.run([tf.global_variables_initializer(), tf.tables_initializer()])
    maps = {"image": image}
    found = sums(image)
    if len(found) == len(job["sums"]):
        maps.update((name, t) for name, t in zip(job["sums"], found) if name in job["keep"])
    maps = session.run(maps)
recording.save(
    job["output"],
    {name: m.transpose(0, 3, 1, 2) for name, m in maps.items()},
    {"tensorflow": tensorflow.__version__, "tensorflow_hub": hub.__version__},
)
