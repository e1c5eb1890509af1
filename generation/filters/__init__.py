"""What is unfit for a benchmark, a file a filter; a recipe names them. No module here imports a model library."""
