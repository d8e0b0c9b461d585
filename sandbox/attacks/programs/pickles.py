"""Must not have anything of its making unpickled: this one would write beside the canary."""

import os
import pickle


class Bomb:
    def __reduce__(self):
        return os.mkdir, (os.path.dirname(FACTS["canary"]) + "/unpickled",)


print("tried")
os.write(5, pickle.dumps(Bomb()))
os.write(4, b"!")
os.write(1, pickle.dumps(Bomb()))
