"""Calls the program's function on the shared array."""

import torch

from .native import cache_hits, double


def serve(program, setup, arrays):
    table = setup["nested"]["table"]
    assert setup["nested"]["list"] == [1, 2.5, None]
    arrays["seen"][:] = [table.sum(), table.shape[0], table.dtype.itemsize, table.flags.writeable]
    arrays["native"][:] = [double(21.0), cache_hits()]
    x = torch.from_numpy(arrays["x"])

    def step():
        x.copy_(program["answer"](x))

    return [step, lambda: None]
