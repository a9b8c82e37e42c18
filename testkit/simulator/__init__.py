"""A simulator of HighQ: a real HTTP(S) server that follows HighQ's public API pages.

`python -m testkit.simulator` starts it. What is documented, what is guessed and every knob: README.md.
It imports nothing of the product, so that this folder alone can be copied into an image.
"""
