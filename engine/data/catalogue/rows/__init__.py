"""Rows of the catalogue, by how the data sets are laid out."""
