"""The same work here and in PyTorch, in one run on one machine.

usage: peers.py BIGGAN MODEL ROUNDS

BIGGAN is the program, MODEL a BigGAN-deep that `biggan synth` makes. Needs torch and
pytorch_pretrained_biggan. Each round runs both as processes of their own: from the start of
the process to one picture. Memory is anonymous memory at its peak; mapped files do not count.
"""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

TORCH = """
import sys, time, torch
torch.set_num_threads(int(sys.argv[2])); torch.set_grad_enabled(False)
from pytorch_pretrained_biggan.config import BigGANConfig
from pytorch_pretrained_biggan.model import BigGAN
config = BigGANConfig.from_json_file(sys.argv[1] + "/config.json")
model = BigGAN(config)
model.load_state_dict(torch.load(sys.argv[1] + "/pytorch_model.bin", map_location="cpu", weights_only=True), strict=False)
model.eval()
z, y = torch.randn(1, config.z_dim), torch.zeros(1, config.num_classes)
y[0, 3] = 1
for _ in range(int(sys.argv[3])):
    start = time.time()
    model(z, y, 0.5)
    print("ms", (time.time() - start) * 1e3)
"""


def measure(command):
    """Wall time in seconds, peak anonymous MB, standard output."""
    start, peak = time.time(), 0
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        try:
            with open(f"/proc/{process.pid}/status") as f:
                peak = max(peak, int(re.search(r"RssAnon:\s+(\d+)", f.read()).group(1)))
        except (OSError, AttributeError):
            pass  # it has just ended
        time.sleep(0.002)
    if process.returncode != 0:
        sys.exit(f"{command[0]}: exit code {process.returncode}")
    return time.time() - start, peak / 1024, process.stdout.read().decode()


def main():
    biggan, model, rounds = os.path.abspath(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    threads = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = folder + "/m.safetensors", folder + "/hf"
        subprocess.run([biggan, "synth", model, "-o", ours, "-q"], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([biggan, "export", ours, "--to", "hf", "-o", theirs, "-q"], check=True, stdout=subprocess.DEVNULL)
        cold, memory = {"biggan": [], "torch": []}, {"biggan": [], "torch": []}
        for _ in range(rounds):
            for name, command in (
                ("biggan", [biggan, "generate", "-m", ours, "-c", "3", "-o", folder + "/x.png", "--force"]),
                ("torch", [sys.executable, "-c", TORCH, theirs, str(threads), "1"]),
            ):
                seconds, peak, _ = measure(command)
                cold[name].append(seconds)
                memory[name].append(peak)
        _, _, out = measure([sys.executable, "-c", TORCH, theirs, str(threads), "8"])
        warm = [float(ms) for ms in re.findall(r"ms (\S+)", out)[1:]]
        print(f"{model}, {threads} threads, {rounds} rounds")
        for name in cold:
            print(f"{name}: process {statistics.median(cold[name]):.2f} s, peak anonymous {max(memory[name]):.0f} MB")
        print(f"torch, warm: {statistics.median(warm):.0f} ms an image")


main()
