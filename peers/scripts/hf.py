"""Runs pytorch_pretrained_biggan on a folder with config.json and pytorch_model.bin."""
import os

import recording

numpy, torch, biggan = recording.need("numpy", "torch", "pytorch_pretrained_biggan")
job = recording.job()
if job["threads"]:
    torch.set_num_threads(job["threads"])
inputs = {k: torch.from_numpy(v.copy()) for k, v in recording.load(job["input"]).items()}

config = biggan.BigGANConfig.from_json_file(os.path.join(job["model"], "config.json"))
model = biggan.BigGAN(config)
state = torch.load(os.path.join(job["model"], "pytorch_model.bin"), map_location="cpu")
model.load_state_dict(state, strict=True)
model.eval()

kept = {}


def keeper(name):
    def hook(module, args, output):
        kept[name] = output.detach().numpy().copy()

    return hook


modules = dict(model.named_modules())
for name in job["keep"]:
    if name in modules:
        modules[name].register_forward_hook(keeper(name))
with torch.no_grad():
    kept["image"] = model(inputs["z"], inputs["y"], job["truncation"]).numpy()
recording.save(job["output"], kept, {"torch": torch.__version__, "pytorch_pretrained_biggan": biggan.__version__})
