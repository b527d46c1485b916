"""From labelled tensor shards to evaluated ONNX networks: the five networks of Ye et al. 2022 and a light sibling."""
