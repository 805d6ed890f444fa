"""train_onnx.py OUT-DIR: small ONNX models, with inputs and the predictions that ONNX Runtime gives in Python.
Needs numpy, onnx 1.17, onnxruntime, protobuf 4, scikit-learn 1.5, skl2onnx 1.18."""
import json, sys
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper
from skl2onnx import to_onnx
from sklearn.ensemble import GradientBoostingRegressor, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier

out = sys.argv[1]
rng = np.random.default_rng(7)
x = rng.normal(size=(300, 4)).astype(np.float32)
label = (x[:, 0] + x[:, 1] * x[:, 2] > 0).astype(int)
models = []

def save(name, model, output):
    data = model.SerializeToString()
    open(f'{out}/{name}.onnx', 'wb').write(data)
    if output is None:
        return
    result = onnxruntime.InferenceSession(data, providers=['CPUExecutionProvider']).run([output], {model.graph.input[0].name: x[:24]})[0]
    scores = result.reshape(24, -1)[:, -1]
    models.append({'file': f'{name}.onnx', 'scores': [float(s) for s in scores]})

plain = {'zipmap': False}
save('logistic', to_onnx(LogisticRegression().fit(x, label), x[:1], options=plain, target_opset=15), 'probabilities')
forest = RandomForestClassifier(n_estimators=5, max_depth=4, random_state=1).fit(x, label)
save('forest', to_onnx(forest, x[:1], options=plain, target_opset=15), 'probabilities')
save('network', to_onnx(MLPClassifier((6,), max_iter=300, random_state=1).fit(x, label), x[:1], options=plain, target_opset=15), 'probabilities')
save('regression', to_onnx(GradientBoostingRegressor(n_estimators=5, random_state=1).fit(x, x[:, 0] * 10 + 100), x[:1], target_opset=15), 'variable')
save('zipmap', to_onnx(LogisticRegression().fit(x, label), x[:1], target_opset=15), None)
three = LogisticRegression().fit(x, np.arange(300) % 3)
save('classes', to_onnx(three, x[:1], options=plain, target_opset=15), None)

def graph(name, nodes, inputs, outputs, initializers=()):
    g = helper.make_graph(nodes, name, inputs, outputs, list(initializers))
    return helper.make_model(g, opset_imports=[helper.make_opsetid('', 15)], ir_version=8)
def tensor(name, kind, shape): return helper.make_tensor_value_info(name, kind, shape)
F, D, I = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64
axes = helper.make_tensor('axes', I, [1], [1])
# No shapes are said: one number a row, in a list.
save('sum', graph('sum', [helper.make_node('ReduceSum', ['x', 'axes'], ['y'], keepdims=0)], [tensor('x', F, [None, None])], [tensor('y', F, None)], [axes]), 'y')
save('doubles', graph('doubles', [helper.make_node('Cast', ['x'], ['d'], to=D), helper.make_node('ReduceSum', ['d', 'axes'], ['y'], keepdims=1)], [tensor('x', F, [None, 4])], [tensor('y', D, [None, 1])], [axes]), 'y')
save('label', graph('label', [helper.make_node('ReduceSum', ['x', 'axes'], ['s'], keepdims=0), helper.make_node('Cast', ['s'], ['y'], to=I)], [tensor('x', F, [None, 4])], [tensor('y', I, [None])], [axes]), 'y')
# What is refused.
save('double-input', graph('g', [helper.make_node('Identity', ['x'], ['y'])], [tensor('x', D, [None, 4])], [tensor('y', D, [None, 4])]), None)
save('one-row', graph('g', [helper.make_node('ReduceSum', ['x', 'axes'], ['y'])], [tensor('x', F, [1, 4])], [tensor('y', F, [1, 1])], [axes]), None)
save('two-inputs', graph('g', [helper.make_node('Add', ['x', 'z'], ['y'])], [tensor('x', F, [None, 4]), tensor('z', F, [None, 4])], [tensor('y', F, [None, 4])]), None)
save('image', graph('g', [helper.make_node('Identity', ['x'], ['y'])], [tensor('x', F, [None, 3, 8, 8])], [tensor('y', F, [None, 3, 8, 8])]), None)
save('all-rows', graph('g', [helper.make_node('ReduceSum', ['x'], ['y'], keepdims=0)], [tensor('x', F, [None, 4])], [tensor('y', F, None)]), None)
json.dump({'onnxruntime': onnxruntime.__version__, 'inputs': [[float(v) for v in r] for r in x[:24]], 'models': models}, open(f'{out}/onnx.json', 'w'), separators=(',', ':'))
