"""This package makes the lists of related notes on Spark: part by part, each in a file of its own."""
