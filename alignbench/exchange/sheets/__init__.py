"""Labels by spreadsheet: a CSV file to fill in, beside a page with the pictures."""
