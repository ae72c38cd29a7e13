"""Search without a supernet: strategies propose, evaluators score, a study remembers."""
