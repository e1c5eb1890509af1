"""How far annotators agree, and who stands out among them."""
