#!/usr/bin/env python3
"""Trains the fraud model of the samples from the output of `levada generate fraud`.

    levada generate fraud --seed 1 --labels file:/tmp/labels.jsonl --to /tmp/events.jsonl
    .deps/venv/bin/python models/fraud/train.py /tmp/events.jsonl /tmp/labels.jsonl

Writes fraud.json (the model), metrics.json (what README.md reports) and expected.jsonl (events with
the probability that the library computes here, for the tests of the scoring service) beside this
file, or into --out. The same input gives the same files.

The time between the days that are learned from and those that are tested on is a week, as in the
Fraud Detection Handbook: frauds are found out late.
"""

import argparse
import hashlib
import json
import pathlib
import platform
import sys
from datetime import datetime

import numpy as np
import xgboost

# In the model's order. README.md has each one as a CEL expression.
FEATURES = ["transaction_amt", "distance_km", "hour", "is_night", "is_weekend"]

WARM_UP_DAYS = 28  # until as many terminals are compromised as at any later time
TRAIN_DAYS = 90
DELAY_DAYS = 7

PARAMETERS = {
    "objective": "binary:logistic",
    "base_score": 0.5,  # a plain number: written so that every 1.x reads it
    "tree_method": "exact",
    "max_depth": 4,
    "eta": 0.15,
    "min_child_weight": 20,
    "lambda": 1,
    "gamma": 4,
    "monotone_constraints": "(1,0,0,0,0)",  # more money is never less suspicious
    "nthread": 1,  # the same file on every machine
    "seed": 0,
}
TREES = 60


def features(event):
    time = datetime.fromisoformat(event["event_time"].replace("Z", "+00:00"))
    return [
        event["transaction_amt"],
        event["distance_km"],
        time.hour,
        time.hour <= 6,
        time.weekday() >= 5,
    ]


def read(events_path, labels_path):
    """Feature rows (float32), kind of fraud (0: genuine) and day since the first, one an event."""
    rows, kinds, days = [], [], []
    with open(events_path) as events, open(labels_path) as labels:
        for number, (line, label_line) in enumerate(zip(events, labels, strict=True), 1):
            event, label = json.loads(line), json.loads(label_line)
            if event["event_id"] != label["event_id"]:
                sys.exit(f"line {number}: the label is not that of the event")
            rows.append(np.array(features(event), dtype=np.float32))
            kinds.append(label["fraud_scenario"])
            days.append(np.datetime64(event["event_time"][:10]))
    if not rows:
        sys.exit(f"{events_path} has no events")
    days = np.array(days)
    return np.array(rows), np.array(kinds), (days - days[0]).astype(int)


def roc_auc(truth, score):
    """The chance that a fraud scores higher than a genuine one; ties count half."""
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    below = np.cumsum(counts) - counts
    ranks = below[inverse] + (counts[inverse] + 1) / 2
    frauds = truth.sum()
    return (ranks[truth].sum() - frauds * (frauds + 1) / 2) / (frauds * (len(truth) - frauds))


def average_precision(truth, score):
    """Precision at each distinct score, weighted by the recall gained there."""
    order = np.argsort(-score, kind="stable")
    truth, score = truth[order], score[order]
    ends = np.append(np.flatnonzero(np.diff(score)), len(score) - 1)
    hits = np.cumsum(truth)[ends]
    gained = np.diff(hits, prepend=0)
    return float((hits / (ends + 1) * gained).sum() / truth.sum())


def measure(kinds, score):
    """Over all frauds, and for each kind of them against what is genuine."""
    result = {}
    for name, wanted in {"all": [1, 2, 3], "1": [1], "2": [2], "3": [3]}.items():
        chosen = np.isin(kinds, [0] + wanted)
        truth = kinds[chosen] > 0
        result[name] = {
            "frauds": int(truth.sum()),
            "roc_auc": round(float(roc_auc(truth, score[chosen])), 4),
            "average_precision": round(average_precision(truth, score[chosen]), 4),
        }
    return result


def outcomes(kinds, score):
    """What rules on the score (0 ... 1000) would see."""
    result = {}
    for limit in (20, 50, 900):
        above = score * 1000 > limit
        result[f"above {limit}"] = {
            "events": int(above.sum()),
            "precision": round(float((kinds[above] > 0).mean()), 4) if above.any() else None,
            "recall": round(float(above[kinds > 0].mean()), 4),
            "recall_kind_1": round(float(above[kinds == 1].mean()), 4),
            "recall_kind_3": round(float(above[kinds == 3].mean()), 4),
        }
    return result


def expected(model, events_path, score, first):
    """Of the tested events the one with the lowest score, the highest and three between."""
    order = np.argsort(score[first:], kind="stable") + first
    wanted = {int(order[int((len(order) - 1) * q)]) for q in (0, 0.5, 0.995, 0.9985, 1)}
    lines = []
    with open(events_path) as events:
        for number, line in enumerate(events):
            if number not in wanted:
                continue
            inputs = np.array([features(json.loads(line))], dtype=np.float32)
            matrix = xgboost.DMatrix(inputs, feature_names=FEATURES)
            lines.append(
                {
                    "event": json.loads(line),
                    "inputs": features(json.loads(line)),
                    "probability": float(f"{model.predict(matrix)[0]:.9g}"),
                }
            )
    for line in lines:
        line["inputs"] = [float(value) for value in line["inputs"]]
    return "".join(json.dumps(line) + "\n" for line in sorted(lines, key=lambda l: l["probability"]))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("events", help="events, NDJSON")
    parser.add_argument("labels", help="their labels, NDJSON in the same order")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    options = parser.parse_args()

    rows, kinds, days = read(options.events, options.labels)
    train_end = WARM_UP_DAYS + TRAIN_DAYS
    train = (days >= WARM_UP_DAYS) & (days < train_end)
    test = days >= train_end + DELAY_DAYS
    if not train.any() or not test.any():
        sys.exit(f"{days[-1] + 1} days are too few: {train_end + DELAY_DAYS + 1} or more are needed")
    print(f"{train.sum()} events to learn from, {test.sum()} to test on", file=sys.stderr)

    matrix = xgboost.DMatrix(rows[train], kinds[train] > 0, feature_names=FEATURES)
    model = xgboost.train(PARAMETERS, matrix, num_boost_round=TREES)
    options.out.mkdir(parents=True, exist_ok=True)
    model.save_model(options.out / "fraud.json")

    score = model.predict(xgboost.DMatrix(rows, feature_names=FEATURES))
    amount = rows[test][:, FEATURES.index("transaction_amt")]
    metrics = {
        "model_sha256": hashlib.sha256((options.out / "fraud.json").read_bytes()).hexdigest(),
        "events_sha256": hashlib.sha256(pathlib.Path(options.events).read_bytes()).hexdigest(),
        "xgboost": xgboost.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "parameters": PARAMETERS,
        "trees": TREES,
        "train": {
            "days": f"{WARM_UP_DAYS} to {train_end - 1}",
            "events": int(train.sum()),
            "frauds": int((kinds[train] > 0).sum()),
        },
        "test": {
            "days": f"{train_end + DELAY_DAYS} to {days[-1]}",
            "events": int(test.sum()),
            "by_kind": measure(kinds[test], score[test]),
            "by_score": outcomes(kinds[test], score[test]),
            "amount_alone": measure(kinds[test], amount)["all"],
        },
        "gain": {name: round(gain, 1) for name, gain in model.get_score(importance_type="total_gain").items()},
    }
    (options.out / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    (options.out / "expected.jsonl").write_text(
        expected(model, options.events, score, int(np.argmax(test)))
    )
    print(json.dumps(metrics["test"], indent=2))


if __name__ == "__main__":
    main()
