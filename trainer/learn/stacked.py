"""What the head looks at, computed by the net itself: `features` on the coarse grid.

In the graph, so that int8 stays int8 from the picture to the head, and the head is fitted to the
very numbers of the box. The mean is a depthwise convolution: as an int8 pooling it takes ONNX
Runtime ten times as long.
"""

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

from trainer.learn.backbone import COARSE, FINE, Backbone, fresh_model

FEATURES = "features"

node = helper.make_node


def stacked(backbone: Backbone) -> ModelProto:
    """`image` -> `features` [1, 2c+d, h, w]: mean and maximum of the fine cells (c channels) below
    each coarse one, and the coarse channels (d); then the coarse tap and those of the memory."""
    channels, cell = backbone.shape(FINE)[0], [backbone.ratio] * 2
    mean = np.full((channels, 1, *cell), 1 / backbone.ratio**2, np.float32)
    nodes = [
        node("Conv", [FINE, "cells"], ["fine_mean"], group=channels, strides=cell),
        node("MaxPool", [FINE], ["fine_max"], kernel_shape=cell, strides=cell),
        node("Concat", ["fine_mean", "fine_max", COARSE], [FEATURES], axis=1),
    ]
    graph = backbone.model.graph
    taps = [o for o in graph.output if o.name in (COARSE, *backbone.narrow)]
    return fresh_model(
        helper.make_graph(
            [*graph.node, *nodes],
            graph.name,
            list(graph.input),
            [_features(backbone), *taps],
            [*graph.initializer, numpy_helper.from_array(mean, "cells")],
        )
    )


def _features(backbone: Backbone) -> ValueInfoProto:
    coarse, rows, columns = backbone.shape(COARSE)
    shape = [1, 2 * backbone.shape(FINE)[0] + coarse, rows, columns]
    return helper.make_tensor_value_info(FEATURES, TensorProto.FLOAT, shape)
