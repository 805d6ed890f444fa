"""train.py OUT-DIR NAME: small models of this generation of XGBoost, with inputs and the scores that it gives itself."""
import json, sys
import numpy as np
import xgboost as xgb
out, gen = sys.argv[1:3]
major, minor = (int(x) for x in xgb.__version__.split('.')[:2])
rng = np.random.default_rng(7)
rows = 300
x = rng.normal(size=(rows, 4)).astype(np.float32)
x[:, 3] = rng.integers(0, 9, rows)                     # a category
hard = (x[:, 0] + (x[:, 3] % 3) * 1.5 - x[:, 1] * x[:, 2])
x[rng.random(x.shape) < 0.12] = np.nan
label = (hard > np.median(hard)).astype(float)
types = ['q', 'q', 'q', 'c']
def train(name, params, y, categorical=False, ubj=False):
    kw = {}
    if categorical: kw = dict(feature_types=types, enable_categorical=True)
    d = xgb.DMatrix(x, label=y, **kw)
    p = dict(max_depth=3, eta=0.4, nthread=1, seed=1, tree_method='hist')
    p.update(params)
    b = xgb.train(p, d, num_boost_round=6)
    path = f'{out}/{gen}-{name}.{"ubj" if ubj else "json"}'
    b.save_model(path)
    test = x[:24]
    t = xgb.DMatrix(test, **kw)
    scores = b.predict(t)
    assert scores.shape == (24,), scores.shape
    return dict(file=path.split('/')[-1], scores=[float(s) for s in scores])
models = [
    train('logistic', dict(objective='binary:logistic'), label),
    train('regression', dict(objective='reg:squarederror'), hard * 10 + 100),
]
if (major, minor) >= (1, 7):
    models.append(train('categorical', dict(objective='binary:logistic', max_cat_to_onehot=1), label, categorical=True))
    models.append(train('categorical-regression', dict(objective='reg:squarederror', max_cat_to_onehot=4, booster='gbtree'), hard + 5, categorical=True, ubj=True))
    models.append(train('dart', dict(objective='binary:logistic', booster='dart', rate_drop=0.3), label))
models.append(train('poisson', dict(objective='count:poisson', base_score=2.5), np.floor(np.abs(hard) * 3)))
d = xgb.DMatrix(x, label=np.arange(rows) % 3)
b = xgb.train(dict(objective='multi:softprob', num_class=3, max_depth=1, nthread=1), d, num_boost_round=1)
b.save_model(f'{out}/{gen}-classes.json')
inputs = [[None if np.isnan(v) else float(v) for v in r] for r in x[:24]]
json.dump(dict(xgboost=xgb.__version__, inputs=inputs, models=models), open(f'{out}/{gen}.json', 'w'), separators=(',', ':'))
