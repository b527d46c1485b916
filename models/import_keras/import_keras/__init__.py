"""Published Keras weights of DeepContrast to Bolus bundles, without Keras: see README.md."""


class Refused(Exception):
    """The file is not what this converter converts; the text says where and why."""
