"""The data sets of the paper and some others: what they are, where to be had, how laid out.

``table`` has one row a set; ``engine.data.readers.catalogue`` reads them. Nothing heavy is here.
"""
