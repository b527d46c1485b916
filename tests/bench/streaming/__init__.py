"""The parts of `stream.py`: what it starts, what it sends, and one module for each thing that it measures."""
