"""One module a system: how it is built, opened and asked, in the way that its own documentation recommends."""
