"""This package tries the readers, the grammar and the files of an index with inputs that are meant to break them."""
