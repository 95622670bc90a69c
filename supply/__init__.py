"""This package says what Kindred stands on: the distributions, their pins and licences, and the bill of materials."""
