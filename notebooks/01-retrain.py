# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Retrain the router on the clinic's own corrections
#
# The desk hands out redacted text with the labels people chose. That is all this notebook ever
# sees: it has a log-in with the data-scientist role, and neither the store's file nor its key.
# Every export is one row in the audit.
#
# It trains a candidate, compares it with the model that serves, and registers it. Somebody else
# promotes it: `triage models promote NAME --as PERSON`.

# %%
import os
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt

from triage.classifiers.dataset import DATA, read_material
from triage.classifiers.training import dev_metrics, read_policy, train
from triage.encoder.registry import Registry
from triage.encoder.serving import RouterSession
from triage.web.client import training_rows

URL = os.environ.get("TRIAGE_URL", "http://127.0.0.1:8137")
USERNAME = os.environ.get("TRIAGE_USER", "devi")
PASSWORD = os.environ["TRIAGE_PASSWORD"]
#: The clinic's home folder for models; the store lies elsewhere for you.
HOME = Path(os.environ.get("TRIAGE_MODELS", ".demo"))
NAME = os.environ.get("TRIAGE_CANDIDATE", "router-candidate")
#: A quick pass over a few messages, for trying the notebook out.
SMALL = os.environ.get("TRIAGE_SMALL") == "1"

# %% [markdown]
# ## What people corrected

# %%
rows = training_rows(URL, USERNAME, PASSWORD)
routes = Counter(str(row["route"]) for row in rows)
print(f"{len(rows)} labelled rows")

figure, axis = plt.subplots(figsize=(7, 3))
axis.barh(list(routes), list(routes.values()))
axis.set_xlabel("rows people labelled")
figure.tight_layout()

# %% [markdown]
# ## Train a candidate
#
# On the messages that ship and, on top of them, what people here corrected.

# %%
from triage.classifiers.training import labelled
from triage.classifiers.wording import compose
from triage.domain import Urgency
from triage.encoder.texts import LabelledText

extra = [
    LabelledText(
        text=compose(str(row["subject"]), str(row["body"])),
        route=str(row["route"]),
        also=frozenset(map(str, row["also"])),
        urgency=int(Urgency.of(str(row["urgency"]))),
    )
    for row in rows
]

data = DATA
if SMALL:
    data = HOME / "few-messages"
    for part in ("messages", "routes"):
        (data / part).mkdir(parents=True, exist_ok=True)
        for path in (DATA / part).glob("*.jsonl"):
            few = path.read_text(encoding="utf-8").splitlines()[:16]
            (data / part / path.name).write_text("\n".join(few) + "\n", encoding="utf-8")

registry = Registry(HOME)
candidate = registry.candidates / NAME
effort = {"epochs": 1, "layers": 1, "warm": 40} if SMALL else {}
train(candidate, data=data, extra=extra, trainer=USERNAME, **effort)

# %% [markdown]
# ## Thresholds, promises and the release gate
#
# Copies in lower case, with typos, slang, white space, other names and another gender: a candidate
# they upset is refused when somebody wants to promote it.

# %%
from triage.evaluation.settling import settle

settled = settle(candidate, root=data)
print(settled.gate)

# %% [markdown]
# ## Compare it with the model that serves
#
# Both on the same development messages, which neither was trained on.

# %%
from triage.classifiers.verdict import judge

development = read_material(data).dev
texts = [labelled(row).text for row in development]


def measured(folder):
    """Return the numbers of one model on the development messages."""
    scores, policy = RouterSession(folder).predict(texts), read_policy(folder)
    return dev_metrics([judge(each, policy) for each in scores], development)


serving = registry.folder("router")
before, after = measured(serving), measured(candidate)
for name in before:
    print(f"{name:28} {serving.name}: {before[name]:<10.3f} {NAME}: {after[name]:.3f}")

shares = [name for name in before if 0 <= before[name] <= 1 and 0 <= after[name] <= 1]
figure, axis = plt.subplots(figsize=(7, 3))
places = range(len(shares))
axis.bar([p - 0.2 for p in places], [before[n] for n in shares], 0.4, label=serving.name)
axis.bar([p + 0.2 for p in places], [after[n] for n in shares], 0.4, label=NAME)
axis.set_xticks(
    list(places), [n.replace("dev_", "").replace("_", " ") for n in shares], rotation=20
)
axis.set_ylim(0, 1)
axis.legend()
figure.tight_layout()

# %% [markdown]
# ## Register it
#
# It lies in the clinic's model folder now and serves nobody. A supervisor looks at its report and
# promotes it; who trained a model cannot promote it.

# %%
for model in registry.models():
    print(model.name, model.task, "by", model.trainer)
