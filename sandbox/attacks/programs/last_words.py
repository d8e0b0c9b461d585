"""Must not spoil the report of its own end: an error that will not be described."""


class Unspeakable(Exception):
    @property
    def status(self):
        raise self

    def __str__(self):
        raise self


print("tried")
raise Unspeakable
