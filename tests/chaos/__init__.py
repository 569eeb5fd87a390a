"""Breaks the whole product on purpose, at random, and judges what is left: `make chaos`. See docs/chaos.md."""
