"""Neural architecture search for semantic segmentation that people can really run."""

__version__ = "0.1.0"
