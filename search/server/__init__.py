"""This package is `kindred serve`: the HTTP API over one index, from a snapshot that follows its newest generation."""
