"""What Hugging Face's one_hot_from_names makes of every word of ImageNet's classes.

    gzip -dc ../imagenet.tsv.gz | NLTK_DATA=FOLDER python hf_names.py > hf_names.tsv

FOLDER/corpora/wordnet holds the files of WordNet 3.0. A line is a word and the classes that it led
to under the hash seeds 0 to 23, "-" where it led to none: the function follows Python sets, whose
order the hash seed decides.
"""
import json
import os
import subprocess
import sys

SEEDS = range(24)


def words(table):
    """The lemmas, broader and narrower terms of the table, each once, in its order."""
    seen = {}
    for line in list(table)[1:]:
        f = line.rstrip("\n").split("\t")
        for field, separator in ((2, "; "), (4, " > "), (5, "; ")):
            seen.update(dict.fromkeys(w.strip() for w in f[field].split(separator) if w.strip()))
    return list(seen)


def look_up(names):
    """The class of each name; None where the function refuses it."""
    from pytorch_pretrained_biggan import one_hot_from_names

    classes = []
    for name in names:
        try:
            one_hot = one_hot_from_names(name)  # None: no noun
        except AssertionError:  # no class near it
            one_hot = None
        classes.append(None if one_hot is None else int(one_hot.argmax()))
    return classes


def main():
    if sys.argv[1:] == ["--child"]:
        json.dump(look_up(json.load(sys.stdin)), sys.stdout)
        return
    names = words(sys.stdin)
    found = [set() for _ in names]
    for seed in SEEDS:
        child = subprocess.run(
            [sys.executable, __file__, "--child"], input=json.dumps(names), text=True, check=True,
            stdout=subprocess.PIPE, env={**os.environ, "PYTHONHASHSEED": str(seed)})
        for classes, c in zip(found, json.loads(child.stdout)):
            classes.add(-1 if c is None else c)
    for name, classes in zip(names, found):
        print(name, " ".join("-" if c < 0 else str(c) for c in sorted(classes)), sep="\t")


main()
