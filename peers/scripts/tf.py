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


inputs = recording.load(job["input"])
config = tf.ConfigProto(intra_op_parallelism_threads=job["threads"])
with tf.Graph().as_default(), tf.Session(config=config) as session:
    module = hub.Module(unpacked(job["model"]))
    image = module({k: tf.constant(inputs[k].reshape(()) if k == "truncation" else inputs[k]) for k in ("z", "y", "truncation")})
    session.run([tf.global_variables_initializer(), tf.tables_initializer()])
    picture = session.run(image)
recording.save(
    job["output"],
    {"image": picture.transpose(0, 3, 1, 2)},
    {"tensorflow": tensorflow.__version__, "tensorflow_hub": hub.__version__},
)
