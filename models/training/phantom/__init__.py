"""Synthetic CT-like torso slices and the training of the `torso-b4` bundle on them."""
