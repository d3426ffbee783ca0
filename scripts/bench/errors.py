"""What keeps a figure from being taken."""


class CannotMeasure(Exception):
    """A case gives no figure: a part does not run, or not all of the lines came."""


class CannotStart(Exception):
    """The benchmark cannot be run here."""
