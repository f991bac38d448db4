"""colab.py BIGGAN: the Colab demo's defaults (10 images of class 933 at truncation 0.4, seed 0) on the synthetic
biggan-deep-256, drawn by BIGGAN and by pytorch_pretrained_biggan from the exported checkpoint. Prints the largest
difference of a pixel, and how many differ; exits with 1 if it is more than 1 of 255. Needs torch, pytorch_pretrained_biggan, Pillow."""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import PIL.Image
import torch
from pytorch_pretrained_biggan import BigGAN, BigGANConfig, convert_to_images, one_hot_from_int, truncated_noise_sample

with tempfile.TemporaryDirectory() as folder:
    work = pathlib.Path(folder)

    def biggan(*args):
        subprocess.run([sys.argv[1], *map(str, args), "--quiet"], check=True, stdout=subprocess.DEVNULL)

    biggan("synth", "biggan-deep-256", "-o", work / "deep.safetensors")
    biggan("export", work / "deep.safetensors", "--to", "hf", "-o", work / "hf")
    biggan("generate", "-m", work / "deep.safetensors", "-c", "cheeseburger", "-n", 10, "--truncation", 0.4, "--seed", 0, "-o", f"{work}/ours/")
    ours = np.stack([np.asarray(PIL.Image.open(p).convert("RGB")) for p in sorted((work / "ours").glob("*.png"))])

    model = BigGAN(BigGANConfig.from_dict(json.loads((work / "hf/config.json").read_text())))
    model.load_state_dict(torch.load(work / "hf/pytorch_model.bin", weights_only=True), strict=False)
    model.eval()
    z = truncated_noise_sample(batch_size=10, truncation=0.4, seed=0)
    y = one_hot_from_int(933, batch_size=10)
    with torch.no_grad():
        images = model(torch.from_numpy(z), torch.from_numpy(y), 0.4)
    theirs = np.stack([np.asarray(image) for image in convert_to_images(images)])

difference = np.abs(ours.astype(int) - theirs.astype(int))
print(f"largest difference {difference.max()} of 255; {np.count_nonzero(difference)} of {difference.size} values differ")
sys.exit(int(difference.max() > 1))
