"""Simulates the data of mixture, zero_inflated, dose and softcvi/additive_nets (standard library only, fixed seeds)."""

import json
import math
import pathlib
import random

FOLDER = pathlib.Path(__file__).parent


def write(name, values):
    text = json.dumps(values).replace('], "', '],\n "').replace("{", "{\n ").replace("}", "\n}\n")
    (FOLDER / f"{name}.json").write_text(text)


def poisson(rng, rate):
    """A Poisson count, by multiplying uniform numbers until exp(-rate) is reached."""
    count, product = 0, rng.random()
    while product > math.exp(-rate):
        product *= rng.random()
        count += 1
    return count


def mixture():
    """Two kinds: 35 % with mean 55 and sd 6, 65 % with mean 80 and sd 6."""
    rng = random.Random(1)
    y = [round(rng.gauss(*((55, 6) if rng.random() < 0.35 else (80, 6))), 1) for _ in range(200)]
    write("mixture", {"N": len(y), "K": 2, "y": y})


def zero_inflated():
    """Three groups with shares of zeros 0.1, 0.4, 0.7 and rates 5, 4, 6."""
    rng = random.Random(2)
    zero, rate = [0.1, 0.4, 0.7], [5, 4, 6]
    group = [1 + n % 3 for n in range(150)]
    y = [0 if rng.random() < zero[g - 1] else poisson(rng, rate[g - 1]) for g in group]
    write("zero_inflated", {"N": len(y), "J": 3, "group": group, "y": y})


def dose():
    """Six doses, eight animals each; the logit of dying is 1 + 2.5 times the log dose."""
    rng = random.Random(3)
    doses = [-1.2, -0.8, -0.4, 0.0, 0.4, 0.8]
    deaths = [sum(rng.random() < 1 / (1 + math.exp(-1 - 2.5 * d)) for _ in range(8)) for d in doses]
    write("dose", {"N": len(doses), "dose": doses, "animals": [8] * len(doses), "deaths": deaths})


def additive_nets():
    """300 observations of 0.1 x1^3 + |x2| - x3 with a standard deviation of 3; seven inputs are without influence. 200 new places."""
    rng = random.Random(4)
    x = [[round(rng.uniform(-4, 4), 3) for _ in range(10)] for _ in range(500)]
    y = [round(0.1 * a[0] ** 3 + abs(a[1]) - a[2] + rng.gauss(0, 3), 3) for a in x[:300]]
    write("softcvi/additive_nets", {"n": 300, "d": 10, "width": 50, "x": x[:300], "y": y, "m": 200, "x_new": x[300:]})


mixture()
zero_inflated()
dose()
additive_nets()
