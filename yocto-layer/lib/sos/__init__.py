"""What the layer's recipes ask of the repository they lie in."""

BBIMPORTS = ["crates", "tree"]
