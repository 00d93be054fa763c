"""Operations of a traced module, by their ATen name: what passes, and what to say about the others."""

from __future__ import annotations

from zkdl.pytorch.problems import Category

# The same numbers in the same order; only their shape, type or name changes.
SHAPE = {
    "flatten", "view", "reshape", "unflatten", "squeeze", "unsqueeze", "contiguous", "alias", "to", "_to_copy", "lift_fresh_copy",
    "identity", "view_as", "_assert_tensor_metadata",
}  # fmt: skip
RELU = {"relu", "relu_"}
DROPOUT = {"dropout", "dropout_", "feature_dropout", "alpha_dropout", "feature_alpha_dropout"}

_ACTIVATIONS = (
    "gelu silu silu_ elu elu_ selu selu_ celu leaky_relu leaky_relu_ tanh tanh_ sigmoid sigmoid_ softplus hardtanh hardtanh_"
    " relu6 relu6_ mish mish_ hardswish hardswish_ hardsigmoid prelu rrelu rrelu_with_noise log_sigmoid clamp clamp_min"
).split()
_MIXING = (
    "conv1d conv2d conv3d conv_transpose1d conv_transpose2d max_pool1d max_pool2d avg_pool1d avg_pool2d adaptive_avg_pool1d"
    " adaptive_avg_pool2d adaptive_max_pool2d embedding lstm gru rnn_tanh rnn_relu scaled_dot_product_attention bilinear"
).split()
_SCALING = "div div_ mul mul_ sub sub_ pow sqrt exp log neg abs".split()

_ReasonAndFix = tuple[Category, str, str]

_LINEAR_ONLY: _ReasonAndFix = (
    Category.NOT_YET,
    "this release proves linear layers with ReLU between them",
    "Build the network of nn.Linear and nn.ReLU, or prove only the head: compute the features before it once, and put them"
    " into the dataset",
)
_MESSAGES: dict[str, _ReasonAndFix] = {
    **dict.fromkeys(
        _ACTIVATIONS,
        (
            Category.REPLACE,
            "ReLU is the only activation that can be proven",
            "Use nn.ReLU()",
        ),
    ),
    **dict.fromkeys(_MIXING, _LINEAR_ONLY),
    **dict.fromkeys(
        _SCALING,
        (
            Category.NOT_YET,
            "arithmetic on features or activations inside the network is not part of the statement",
            "Scale the features in the dataset, before training; inside the network, remove it",
        ),
    ),
    **dict.fromkeys(
        ("batch_norm", "native_batch_norm", "_native_batch_norm_legit", "instance_norm"),
        (
            Category.REPLACE,
            "normalisation over a batch cannot be proven",
            "Remove it, and standardise the features in the dataset",
        ),
    ),
    **dict.fromkeys(
        ("layer_norm", "native_layer_norm", "group_norm", "rms_norm", "normalize", "linalg_vector_norm"),
        (
            Category.NOT_YET,
            "normalisation of activations cannot be proven",
            "Remove it, and standardise the features instead",
        ),
    ),
    **dict.fromkeys(
        ("softmax", "log_softmax", "_softmax", "_log_softmax", "softmin"),
        (
            Category.REPLACE,
            "the loss has the softmax in it, and the network must end in its logits",
            "Remove it, and use nn.CrossEntropyLoss()",
        ),
    ),
    **dict.fromkeys(
        ("add", "add_", "cat", "stack"),
        (
            Category.NOT_YET,
            "each layer takes the output of the layer before it: no residual connections, no sums, no concatenation",
            "Make the network one chain of layers; constants can be added to the features in the dataset, or to a bias",
        ),
    ),
    **dict.fromkeys(
        ("matmul", "mm", "addmm", "bmm", "einsum"),
        (Category.REPLACE, "a product written by hand", "Use nn.Linear, which holds its weight and bias as parameters"),
    ),
    **dict.fromkeys(
        ("permute", "transpose", "t", "numpy_T", "movedim", "select", "slice", "index", "flip"),
        (
            Category.NOT_YET,
            "features are not reordered or cut inside the network",
            "Do it in the dataset, before training",
        ),
    ),
    **dict.fromkeys(
        ("detach", "detach_"),
        (Category.NOT_YET, "every layer is trained; the gradient may not be cut", "Remove the call"),
    ),
    **dict.fromkeys(
        ("rand", "randn", "rand_like", "randn_like", "bernoulli", "bernoulli_", "normal_", "uniform_", "multinomial"),
        (Category.NEVER, "randomness inside the network would have to be committed to beforehand", "Remove it"),
    ),
}
_OTHER: _ReasonAndFix = (
    Category.NOT_YET,
    "this operation cannot be proven",
    "Build the network of nn.Linear and nn.ReLU (nn.Flatten and reshapes before the first layer are fine)",
)
DROPPED: _ReasonAndFix = (
    Category.REPLACE,
    "dropout draws random masks that nobody else could recompute",
    "Remove it",
)
EVALUATION: _ReasonAndFix = (
    Category.MODE,
    "the model is in evaluation mode, in which dropout does nothing; a training loop runs in training mode",
    "Call model.train(), or remove it",
)

# Modules whose names in torch.nn say enough when a model cannot be traced.
MODULES = {
    **{
        name: "conv2d"
        for name in ("Conv1d", "Conv2d", "Conv3d", "MaxPool2d", "AvgPool2d", "Embedding", "LSTM", "GRU", "RNN")
    },
    **{
        name: "conv2d" for name in ("MultiheadAttention", "TransformerEncoderLayer", "Transformer", "AdaptiveAvgPool2d")
    },
    **{
        name: "gelu"
        for name in ("GELU", "SiLU", "ELU", "SELU", "LeakyReLU", "Tanh", "Sigmoid", "Softplus", "ReLU6", "Hardtanh")
    },
    **{name: "batch_norm" for name in ("BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "SyncBatchNorm")},
    **{name: "layer_norm" for name in ("LayerNorm", "GroupNorm", "RMSNorm")},
    **{name: "softmax" for name in ("Softmax", "LogSoftmax", "Softmin")},
    **{name: "dropout" for name in ("Dropout", "Dropout1d", "Dropout2d", "AlphaDropout")},
}


def message(name: str) -> _ReasonAndFix:
    """Category, reason and fix for an operation that does not pass."""
    return DROPPED if name in DROPOUT else _MESSAGES.get(name, _OTHER)


def is_activation(name: str) -> bool:
    """Whether ReLU can stand in for it."""
    return name in _ACTIVATIONS


def mended(name: str) -> str:
    """What `zkdl.fix` does about a module of torch.nn that does this, as the rest of a sentence; empty for nothing."""
    if name in _ACTIVATIONS or name in DROPOUT or name in ("softmax", "log_softmax"):
        return "; zkdl.fix(model) does that in a copy"
    return "; zkdl.fix(model) folds it into a linear layer next to it, in a copy" if name == "batch_norm" else ""
