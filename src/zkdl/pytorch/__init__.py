"""PyTorch entry: a module, an optimiser, a loader and a loss become a run that can be proven. Needs the extra `torch`.

`entry` is the door and imports no PyTorch until it is used. `network` reads the module's traced graph, `data` the loader's
examples, `training` optimiser and loss; each gives what it understood and all that it could not, as `Problem`s with a path,
a source line and a fix. `weights` converts both ways, `repair` makes a fixed copy of a module, `handle` is what the user gets.
"""
