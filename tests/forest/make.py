#!/usr/bin/env python3
"""Makes the forests of this folder and what the libraries that trained them say of some rows.

pip install lightgbm==4.7.0 xgboost==3.2.0 pandas, and then: python tests/forest/make.py
"""

import json
from pathlib import Path

import lightgbm
import numpy
import pandas
import xgboost

HERE = Path(__file__).parent
NAMES = ["linear", "count_1h", "user_idle", "next", "age"]


def rows(random, count):
    """Some numbers that say nothing, and some that are equal to others."""
    table = pandas.DataFrame({name: random.normal(size=count) for name in NAMES})
    table["count_1h"] = random.poisson(2, count)
    table["user_idle"] = table["user_idle"].round(1)
    table.loc[random.random(count) < 0.2, "user_idle"] = numpy.nan
    table.loc[random.random(count) < 0.3, "next"] = 0.0
    return table.astype("float32")


def write(name, dump, table, scores):
    (HERE / f"{name}.json").write_text(json.dumps(dump, separators=(",", ":")) + "\n")
    told = table.astype("float64").assign(score=scores)
    told.to_csv(HERE / f"{name}.csv", index=False, na_rep="NaN", float_format="%.17g")


def main():
    random = numpy.random.default_rng(7)
    table, asked = rows(random, 2000), rows(random, 60)
    # Where nothing is missing in training, but in what is asked.
    whole = table.fillna(0.5)
    wanted = table["linear"] + 0.5 * (table["count_1h"] > 2) + 0.7 * table["user_idle"].isna()
    wanted += 0.4 * (table["next"] == 0) + 0.1 * random.normal(size=len(table))
    wanted -= wanted.mean()
    common = dict(num_leaves=7, min_data_in_leaf=5, learning_rate=0.3, verbose=-1, seed=1, deterministic=True)
    for name, data, more in [
        ("lightgbm", table, {}),
        ("lightgbm_whole", whole, {}),
        ("lightgbm_zero", table, {"zero_as_missing": True}),
    ]:
        params = dict(objective="regression", **common, **more)
        booster = lightgbm.train(params, lightgbm.Dataset(data, label=wanted, params=params), 8)
        write(name, booster.dump_model(), asked, booster.predict(asked, raw_score=True))
    params = dict(objective="reg:squarederror", max_depth=3, eta=0.3, base_score=0.0, seed=1, nthread=1)
    booster = xgboost.train(params, xgboost.DMatrix(table, label=wanted), 8)
    dump = [json.loads(tree) for tree in booster.get_dump(dump_format="json", with_stats=True)]
    write("xgboost", dump, asked, booster.predict(xgboost.DMatrix(asked), output_margin=True))


main()
