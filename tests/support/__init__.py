"""What several floors of the tests share: fakes that are handed in, never patched in."""
