"""Fits the distance from patients that the gate before the networks judges by (`shared/preprocess/src/plausible`)."""
