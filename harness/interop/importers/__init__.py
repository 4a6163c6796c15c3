"""Readers of foreign formats, one module each, found by its name; ``formats`` loads them."""
