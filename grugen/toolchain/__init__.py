"""Text to shared library: finding a C compiler, and building once, in a cache folder."""
