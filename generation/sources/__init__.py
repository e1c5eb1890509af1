"""Where real images come from: a folder, parquet files, a `datasets` set, a list of addresses."""
